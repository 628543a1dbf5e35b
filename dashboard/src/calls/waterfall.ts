import { texts } from '../texts.ts'
import { isRecord } from '../words.ts'
import type { CallData } from './calls-data.ts'

/** A part of a call's time, in milliseconds since it was received; a moment has no length. */
export interface Span {
  key: string
  name: string
  note: string
  startMs: number
  endMs: number
  tone: 'plain' | 'held' | 'system' | 'moment'
}

interface Said {
  at: number
  kind: string
  body: Readonly<Record<string, unknown>>
}

const ENDS: readonly string[] = ['approved', 'rejected', 'expired', 'cancelled', 'denied', 'superseded']

/** Where the time of a call went, as far as its record tells: nothing of it is guessed. */
export function spansOf(call: CallData): readonly Span[] {
  const startedMs = Date.parse(call.createdAt)
  const said = call.entries.map(
    ({ at, kind, body }): Said => ({ at: Math.max(0, Date.parse(at) - startedMs), kind, body: isRecord(body) ? body : {} }),
  )
  const decided = said.find(({ kind }) => kind === 'decision')
  const intent = said.find(({ kind }) => kind === 'intent')
  const outcome = said.find(({ kind }) => kind === 'outcome')
  const spans: Span[] = []
  const add = (key: string, name: string, startMs: number, endMs: number, tone: Span['tone'] = 'plain', note = ''): void => {
    spans.push({ key, name, note, startMs, endMs: Math.max(startMs, endMs), tone })
  }
  const { parts } = texts.call
  if (decided) add('decide', parts.decide, 0, decided.at)
  let approvedAt: number | undefined
  said.forEach(({ kind, at, body }, index) => {
    if (kind === 'hold.opened') {
      const ended = said.slice(index).find((one) => one.kind === 'hold.changed' && ENDS.includes(String(one.body.to)))
      add(`held-${index}`, parts.held, at, ended?.at ?? Date.now() - startedMs, 'held')
      if (ended?.body.to === 'approved') approvedAt = ended.at
    }
    if (kind === 'vote') add(`vote-${index}`, parts.vote, at, at, 'moment', String(body.voter ?? ''))
  })
  if (intent && approvedAt !== undefined) add('release', parts.release, approvedAt, intent.at)
  if (intent && outcome && call.outcome) {
    add('run', parts.run, intent.at, outcome.at)
    add('upstream', parts.upstream, Math.max(intent.at, outcome.at - call.outcome.upstreamMs), outcome.at, 'system')
  }
  return spans
}
