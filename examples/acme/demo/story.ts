import { type Agent, fields, type Heard } from './agent.ts'
import type { OpenHold, People } from './people.ts'

export interface StoryOptions {
  /** Prints one line. */
  print: (line: string) => void
  people: People
  /** The script votes itself; otherwise it waits for people. */
  auto: boolean
  /** Prints how a person approves this hold. */
  howToVote: (person: string, hold: OpenHold) => void
  /** How long it waits for people without `auto`, in milliseconds. */
  patienceMs: number
}

/** A call of the day, for the index at its end. */
export interface Told {
  callId: string
  traceId: string | undefined
  what: string
}

const SHORT = 150
const brief = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > SHORT ? `${line.slice(0, SHORT - 1)}…` : line
}

/** Tells each call in one line and sees holds to their end. */
export class Story {
  readonly told: Told[] = []
  readonly #options: StoryOptions

  constructor(options: StoryOptions) {
    this.#options = options
  }

  chapter(title: string): void {
    this.#options.print('')
    this.#options.print(title)
  }

  line(outcome: string, text: string): void {
    this.#options.print(`  ${outcome.padEnd(9)}${text}`)
  }

  tell(heard: Heard, what: string, detail = ''): Heard {
    const more = heard.outcome === 'done' ? detail : brief(heard.words)
    this.line(heard.outcome, `${what}${more === '' ? '' : `: ${more}`}`)
    const known = this.told.some(({ callId }) => callId === heard.callId)
    if (heard.callId !== undefined && !known) this.told.push({ callId: heard.callId, traceId: heard.traceId, what })
    return heard
  }

  /**
   * Sees a held call to its end: `person` votes as told with `auto`, else we wait for somebody. Returns the system's answer, undefined where there
   * is none.
   */
  async decide(agent: Agent, heard: Heard, person: string, verdict: 'approve' | 'reject', comment: string): Promise<unknown> {
    if (heard.outcome !== 'held' || heard.callId === undefined) return heard.value
    const { people, auto, howToVote, patienceMs } = this.#options
    const hold = await people.holdOf(person, heard.callId)
    if (hold && auto) {
      await people.vote(person, hold, verdict, comment)
      this.line('', `${person} (${hold.group}) ${verdict === 'approve' ? 'approved' : 'rejected'}: "${comment}"`)
    } else if (hold) howToVote(person, hold)
    const ended = await agent.ended(heard.callId, auto ? 30_000 : patienceMs)
    if (!ended) this.line('waiting', 'nobody has decided yet; the call stays held and we go on')
    else if (ended.state === 'completed') this.line('done', `after approval: ${brief(summary(ended.result))}`)
    else this.line(ended.state, brief(ended.words) || 'nothing was executed')
    return ended?.state === 'completed' ? ended.result : undefined
  }
}

function summary(result: unknown): string {
  const { id, status, amount, currency } = fields(result)
  if (id === undefined) return JSON.stringify(result ?? null)
  return [String(id), status, amount === undefined ? undefined : `${amount} ${currency}`].filter(Boolean).join(', ')
}
