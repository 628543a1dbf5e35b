import type { EntryBody } from '../core/entry.ts'
import { groupsOf } from '../core/hold.ts'
import type { NoticeKind } from '../core/notice-kind.ts'
import { visible } from '../core/visible-text.ts'
import type { Message } from './message.ts'

/** How each kind begins. `call` is operation and agent. */
const OPENINGS: Readonly<Record<NoticeKind, (message: Message, call: string) => { subject: string; first: string }>> = {
  'hold.opened': (_message, call) => ({ subject: `Waits for you: ${call}`, first: 'A call waits for your decision.' }),
  'hold.edited': ({ body }, call) => ({
    subject: `Edited, waits for you: ${call}`,
    first: `${body.kind === 'hold.edited' ? body.by : 'Somebody'} edited the arguments of a call. Votes that were given are void, and it waits for your decision.`,
  }),
  'hold.escalated': ({ asked }, call) =>
    asked
      ? { subject: `Escalated to you: ${call}`, first: 'Nobody has decided on a call so far. It waits for your decision now.' }
      : { subject: `Still undecided: ${call}`, first: 'Nobody has decided on a call so far. You are told of it; others decide.' },
  'hold.expiring': (_message, call) => ({
    subject: `About to expire: ${call}`,
    first: 'A call still waits for your decision, and is refused by itself soon.',
  }),
  'break_glass.used': ({ body }, call) => ({
    subject: `Glass broken: ${call}`,
    first: `${body.kind === 'grant.break_glass' ? body.by : 'Somebody'} approved a held call alone, in the place of all whom it asked.`,
  }),
  'break_glass.review_lapsed': (_message, call) => ({
    subject: `Review overdue: ${call}`,
    first: 'Nobody has reviewed in time that the glass was broken. Until somebody does, nobody breaks it again.',
  }),
}

export type Fact = readonly [label: string, value: string]

/** Everything of a message that is said in a line of its own. What an agent or a person wrote cannot begin a line. */
export function facts({ about, body, now, at }: Message): readonly Fact[] {
  const lines: Fact[] = []
  if (about) {
    const { call, hold } = about
    lines.push(['Agent', `${call.agent}, answered for by ${call.owner}`])
    lines.push(['For', call.subject ?? 'itself'])
    lines.push(['Operation', call.operation])
    for (const { policyId, reason } of hold.matched) lines.push(['Held by', reason === undefined ? policyId : `${policyId}: ${reason}`])
    lines.push(['Needs', hold.requires.map((one) => `${one.count} of ${groupsOf(one).join(' or ')}`).join(', and ')])
    if (call.edit) lines.push(['Edited by', `${call.edit.editors.join(', ')}: no longer what the agent sent`])
    if (hold.state === 'open') lines.push(['Refused by itself', `${utc(hold.expiresAt)}, in ${lasting(hold.expiresAt - now)}`])
    lines.push(['Hold', hold.id])
  }
  lines.push(...factsOfBreakGlass(body), ['Happened', utc(at)])
  return lines.map(([label, value]) => [label, visible(value)])
}

function factsOfBreakGlass(body: EntryBody): readonly Fact[] {
  if (body.kind === 'grant.review_lapsed') return [['Use', body.id]]
  if (body.kind !== 'grant.break_glass') return []
  return [
    ['Reason given', body.reason],
    ['Review due', utc(body.reviewDue)],
    ['Use', body.id],
  ]
}

export function subjectOf(message: Message): string {
  return visible(opening(message).subject)
}

function opening(message: Message): { subject: string; first: string } {
  const { about, kind } = message
  return OPENINGS[kind](message, about ? `${about.call.operation} by ${about.call.agent}` : 'a held call')
}

/** The message in plain text. */
export function textOf(message: Message): string {
  const { about, link } = message
  const lines = facts(message)
  const width = Math.max(...lines.map(([label]) => label.length))
  const paragraphs = [
    visible(opening(message).first),
    lines.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n'),
    ...(about ? [rationaleOf(about.call.rationale), argumentsOf(message)] : []),
    ...(link === null
      ? []
      : [`Open it in Gatehouse:\n${link}\n\nThe link decides nothing. It works once, for you alone, and asks you to sign in.`]),
  ]
  return `${paragraphs.join('\n\n')}\n`
}

const rationaleOf = (rationale: string | null): string =>
  rationale === null ? 'The agent gave no reason.' : `What the agent says (unverified):\n${visible(rationale)}`

function argumentsOf({ arguments: complete, link }: Message): string {
  if (complete !== null) return `Arguments, complete; what nobody would see is written as \\u....:\n${complete}`
  return `The arguments are not in this message.${link === null ? '' : ' Gatehouse shows them, complete, behind the link.'}`
}

export const utc = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** `2 d 3 h`, `3 h 5 min`, `4 min`, `less than a minute`. */
export function lasting(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  const [days, hours, rest] = [Math.floor(minutes / 1_440), Math.floor(minutes / 60) % 24, minutes % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${rest} min`
  return minutes > 0 ? `${minutes} min` : 'less than a minute'
}
