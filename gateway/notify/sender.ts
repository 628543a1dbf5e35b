import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { after, type Clock, type Instant } from '../core/clock.ts'
import type { Hold } from '../core/hold.ts'
import { mayOpen, notAsked } from '../core/notice.ts'
import { endsWithHold } from '../core/notice-kind.ts'
import type { Person } from '../core/principal.ts'
import { visibleJson } from '../core/visible-text.ts'
import { LIMITS } from '../limits.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Notice, NoticeQueue } from '../ports/notice-queue.ts'
import type { Recorder } from '../ports/recorder.ts'
import type { Registry } from '../ports/registry.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import type { Channel } from './channel.ts'
import type { Message } from './message.ts'
import { nextAttemptAt, whyNoMore } from './retry.ts'

export interface SenderDeps {
  queue: NoticeQueue
  store: Pick<CallStore, 'call' | 'hold' | 'votes' | 'publishers'>
  recorder: Pick<Recorder, 'note'>
  registry: Pick<Registry, 'person'>
  channels: readonly Channel[]
  /** Where people reach the dashboard: an origin. */
  baseUrl: string
  clock: Clock
  telemetry: Pick<Telemetry, 'log' | 'count'>
}

export interface Sender {
  /** Takes up nothing more; resolves when what is being sent has ended, and channels are closed. Calling it twice is harmless. */
  close(): Promise<void>
}

/**
 * Sends what is queued until `close`, each channel by itself: one that is away keeps none of the others waiting. A notice is taken up by one process at a
 * time, and again by another where that one ends before it says what became of it: each is sent at least once, and twice only then.
 */
export function startSender(deps: SenderDeps): Sender {
  const closing = new AbortController()
  const running = Promise.all(deps.channels.map((channel) => run(deps, channel, closing.signal)))
  let closed: Promise<void> | undefined
  return {
    close() {
      closing.abort()
      closed ??= running.then(async () => {
        await Promise.all(deps.channels.map((channel) => channel.close()))
      })
      return closed
    },
  }
}

async function run(deps: SenderDeps, channel: Channel, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const sent = await turn(deps, channel).catch((error: unknown) => {
      deps.telemetry.log.warn({ channel: channel.name, error }, 'notices could not be taken up and will be later')
      return 0
    })
    if (sent === 0) await pause(LIMITS.noticePollMs, undefined, { signal, ref: false }).catch(() => undefined)
  }
}

/** Sends a page of what is due. Returns how many there were. */
async function turn(deps: SenderDeps, channel: Channel): Promise<number> {
  const notices = await deps.queue.claim(channel.name, deps.clock.now(), LIMITS.noticeLeaseMs, LIMITS.noticesAtOnceMax)
  await Promise.all(
    notices.map((notice) =>
      tell(deps, channel, notice).catch((error: unknown) =>
        deps.telemetry.log.warn({ notice: notice.id, error }, 'a notice could not be handled and will be again'),
      ),
    ),
  )
  return notices.length
}

async function tell(deps: SenderDeps, channel: Channel, notice: Notice): Promise<void> {
  const { queue, clock } = deps
  const prepared = await prepare(deps, channel, notice)
  if (typeof prepared === 'string') {
    await queue.drop(notice, prepared)
    return count(deps, channel, 'obsolete')
  }
  const delivery = await channel.send(prepared)
  if (delivery.kind === 'taken') {
    await queue.sent(notice)
    return count(deps, channel, 'sent')
  }
  const now = clock.now()
  const why = delivery.kind === 'refused' ? delivery.why : whyNoMore(now, notice)
  if (why === null) {
    const asked = delivery.kind === 'later' ? delivery.afterMs : undefined
    await queue.again(notice, nextAttemptAt(now, notice.attempt, Math.random(), asked), delivery.why)
    return count(deps, channel, 'later')
  }
  const whole = why === delivery.why ? why : `${why}: ${delivery.why}`
  await queue.giveUp(notice, whole)
  const { id, recipient, holdId, attempt } = notice
  deps.telemetry.log.error({ notice: id, person: recipient, channel: channel.name, holdId, attempt, why: whole }, 'a notice was given up')
  count(deps, channel, 'given_up')
}

const count = ({ telemetry }: SenderDeps, { kind }: Channel, outcome: string): void =>
  telemetry.count('notices', { channel: kind, outcome })

/** The message as things are now, or why there is nothing to say any more. */
async function prepare(deps: SenderDeps, channel: Channel, notice: Notice): Promise<Message | string> {
  const { store, registry, recorder, clock } = deps
  const person = registry.person(notice.recipient)
  if (!person || !channel.reaches(person.name)) return 'the recipient is not there any more'
  const hold = notice.holdId === null ? undefined : await store.hold(notice.holdId)
  const call = hold && (await store.call(hold.callId))
  const about = hold && call ? { hold, call } : null
  const now = clock.now()
  const over = endsWithHold(notice.kind) ? await whyOver(deps, notice, about, person, now) : null
  if (over !== null) return over
  const carries = about !== null && notice.asked && channel.carriesArguments
  // A look at the arguments is on record before anybody has it.
  if (carries) await recorder.note(about.call.id, { kind: 'view', by: person.name, what: `payload in a notice by ${channel.name}` })
  const { id, kind, recipient, asked, createdAt, body } = notice
  const link = about && mayOpen(about.hold, person) ? await linkFor(deps, about.hold, person, endOf(notice, about.hold, now)) : null
  return { id, kind, recipient, asked, at: createdAt, now, body, about, arguments: carries ? visibleJson(about.call.input) : null, link }
}

async function whyOver(
  { store }: SenderDeps,
  { asked }: Notice,
  about: Message['about'],
  person: Person,
  now: number,
): Promise<string | null> {
  if (about?.hold.state !== 'open' || now >= about.hold.expiresAt) return 'the hold is not open any more'
  if (!asked) return null
  const [publishers, votes] = await Promise.all([store.publishers(about.hold.matched), store.votes(about.hold.id)])
  return notAsked({ ...about, publishers, voted: votes.map(({ voter }) => voter) }, person)
}

/** A link that opens this hold once, for this person: a fresh secret at every attempt, of which only a digest is kept. */
async function linkFor({ queue, baseUrl }: SenderDeps, { id }: Hold, { name }: Person, expiresAt: Instant): Promise<string> {
  const secret = randomBytes(32).toString('base64url')
  await queue.keepLink(secret, { person: name, holdId: id, expiresAt })
  return `${baseUrl}/notice#${secret}`
}

/** A link ends with what it is for: the hold, or the review; where that is overdue already, as late as the notice may come. */
function endOf({ kind, body }: Notice, { expiresAt }: Hold, now: Instant): Instant {
  if (endsWithHold(kind)) return expiresAt
  return body.kind === 'grant.break_glass' ? body.reviewDue : after(now, LIMITS.noticeAgeMsMax)
}
