import type { CallTally } from './check-calls.ts'
import type { DecisionTally } from './check-decisions.ts'
import type { PayloadTally } from './check-payloads.ts'
import type { About } from './exported-line.ts'

/** What was checked of an export. */
interface Checked {
  part: About['part']
  key: 'given' | 'enclosed'
  payloads: PayloadTally
  decisions: DecisionTally
  calls: CallTally | null
  removed: { floor: number } | null
}

/** What of an export was not checked, in words: empty where all of it was. */
export function uncheckedOf({ part, key, payloads, decisions, calls, removed }: Checked): string[] {
  const counted: [number, string][] = [
    [payloads.erased + payloads.erasedUnchecked, 'payloads were erased, so that nothing compares them with what the log committed to'],
    [payloads.leftOut, 'payloads are not enclosed'],
    [decisions.withoutPayload, 'decisions have no payload, and were not decided again'],
    [decisions.withoutPolicySet, 'decisions have no policy set, and were not decided again'],
    [decisions.unasked, 'denials are for what policy was not asked, and were not decided again'],
    [calls?.votes.unchecked ?? 0, 'votes are from before the record had the groups of voters'],
  ]
  return [
    ...(key === 'enclosed' ? ['the key is the one in the export itself'] : []),
    ...(part === 'whole' ? [] : ['it is a part of the log: nothing shows what else is in that']),
    ...(removed === null ? [] : [`entries before ${removed.floor} were removed, and calls that began there were not judged`]),
    ...(calls === null ? ['the lives of calls were not judged'] : []),
    ...counted.flatMap(([count, why]) => (count === 0 ? [] : [`${count} ${why}`])),
  ]
}
