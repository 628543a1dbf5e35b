import type { Clock } from './core/clock.ts'
import type { Entry } from './core/entry.ts'
import { withoutPayload } from './core/entry-payload.ts'
import type { CallStore } from './ports/call-store.ts'
import type { Dialer } from './ports/dialer.ts'
import type { Sink, SinkLine, SinkLines, SinkSettings } from './ports/sink.ts'
import { leafOf, wholeEntryText } from './record/leaf.ts'
import { fileSink } from './sinks/file-sink.ts'
import { ocsfLine, type OcsfOptions } from './sinks/ocsf.ts'
import { webhookSink } from './sinks/webhook-sink.ts'
import type { Carrier } from './storage/followers.ts'

export interface SinkDeps {
  organisation: string
  version: string
  dialer: Dialer
  clock: Clock
  calls: Pick<CallStore, 'callsOf'>
}

/** Sinks as what carries the record there, from its first entry on. */
export const openSinks = (settings: readonly SinkSettings[], deps: SinkDeps): readonly Carrier[] =>
  settings.map((each) => ({
    name: `sink:${each.name}`,
    kinds: each.kinds,
    from: 'beginning',
    bare: !each.payloads,
    ...openSink(each, deps),
  }))

function openSink({ name, format, payloads, to }: SinkSettings, { dialer, clock, calls, ...product }: SinkDeps): Sink {
  const asEntry: SinkLine = payloads ? wholeEntryText : (entry) => Buffer.from(leafOf(withoutOldPayload(entry))).toString()
  const linesOf = format === 'entry' ? () => Promise.resolve(asEntry) : ocsfLines({ ...product, asEntry }, calls)
  if (to.kind === 'file') return fileSink({ path: to.path, linesOf, clock })
  return webhookSink({ name, to, format, linesOf, dialer, clock })
}

/** Most entries of a call say nothing of who called what: the calls do. */
const ocsfLines =
  (options: OcsfOptions, calls: SinkDeps['calls']): SinkLines =>
  async (entries) => {
    const ids = new Set(entries.flatMap(({ callId }) => (callId === null ? [] : [callId])))
    const found = new Map((await calls.callsOf([...ids])).map((call) => [call.id, call]))
    return ocsfLine(options, (id) => found.get(id))
  }

/** Entries from before there was a log have their payload in their body. */
const withoutOldPayload = (entry: Entry): Entry => (entry.commitment === null ? { ...entry, body: withoutPayload(entry.body) } : entry)
