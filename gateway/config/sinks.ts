import type { SinkSettings } from '../ports/sink.ts'
import type { Faults } from './faults.ts'
import { checkReceiver } from './notifications.ts'
import type { GatehouseFile } from './schema.ts'

/** `sinks:`, with absolute paths. Two of a name, and two that write into one file, are faults. */
export function readSinks(
  { sinks }: GatehouseFile,
  absolute: (path: string) => string,
  place: (keys: readonly PropertyKey[]) => string,
  faults: Faults,
): readonly SinkSettings[] {
  const taken = new Set<string>()
  const claim = (what: string, askedAt: string, fault: string): void => {
    if (taken.has(what)) faults.add(askedAt, fault)
    taken.add(what)
  }
  return sinks.map((sink, i) => {
    const { name, format, kinds = 'all', payloads } = sink
    const at = (key: string): string => place(['sinks', i, key])
    claim(`name ${name}`, at('name'), `sink \`${name}\` stands there twice`)
    if (sink.kind === 'webhook') {
      const { kind, url, secret, egress } = sink
      checkReceiver(`entries to sink \`${name}\``, url, egress, at('url'), faults)
      return { name, format, kinds, payloads, to: { kind, url, secret, egress } }
    }
    const path = absolute(sink.path)
    claim(`path ${path}`, at('path'), 'another sink writes into this file')
    return { name, format, kinds, payloads, to: { kind: sink.kind, path } }
  })
}
