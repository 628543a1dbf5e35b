import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConsistency, ExportedTiles } from '../../gateway/audit/check-tree.ts'
import { entire, readLeaf } from '../../gateway/audit/exported-entry.ts'
import { CHECKPOINT, ENTRIES, linesOf, readLine } from '../../gateway/audit/exported-line.ts'
import { Faults } from '../../gateway/audit/faults.ts'
import { verifyExport } from '../../gateway/audit/verify-export.ts'
import { openCheckpoint } from '../../gateway/record/checkpoint.ts'
import { parseVerifierKey } from '../../gateway/record/signed-note.ts'
import type { Answered, Ending } from './traffic.ts'

export interface Verdict {
  offered: number
  endings: Record<Ending, number>
  /** Requests that the system got. */
  effects: number
  calls: number
  entries: number
  /** Intents whose end is not known, as `audit verify` counts them. */
  inDoubt: number
  /** Intents that were written and not sent. */
  notSent: number
  /** What must never happen; each with its first examples. */
  violations: readonly string[]
}

/** What the record has of one call. */
interface Recorded {
  kinds: Set<string>
  outcome: string | null
}

const EXAMPLES = 3

class Violations {
  readonly #found = new Map<string, string[]>()

  add(what: string, example: string): void {
    this.#found.set(what, [...(this.#found.get(what) ?? []), example])
  }

  listed(): readonly string[] {
    return [...this.#found].map(([what, all]) => `${what}: ${all.length}, such as ${all.slice(0, EXAMPLES).join('; ')}`)
  }
}

type ByKey = ReadonlyMap<string, ReadonlyMap<string, Recorded>>

/** Calls of an export, by what the system journals of them. Needs payloads. */
async function recordedIn(dir: string): Promise<ByKey> {
  const calls = new Map<string, Recorded>()
  const byKey = new Map<string, Map<string, Recorded>>()
  for await (const text of linesOf(join(dir, ENTRIES))) {
    const line = text === null ? undefined : readLine(text)
    const leaf = line && readLeaf(line.leaf)
    if (!line || !leaf || leaf.call === null) continue
    const call = calls.get(leaf.call) ?? { kinds: new Set(), outcome: null }
    calls.set(leaf.call, call)
    const { body } = entire(leaf, line.payload)
    call.kinds.add(body.kind)
    if (body.kind === 'outcome') call.outcome = body.outcome.kind
    if (body.kind !== 'decision') continue
    const { customerId, reference } = body.request.input
    const key = reference === undefined ? `GET ${String(customerId)}` : `POST ${String(reference)}`
    byKey.set(key, (byKey.get(key) ?? new Map()).set(leaf.call, call))
  }
  return byKey
}

/** What the system was asked to do was intended before, and no more often than it was intended. */
function judgeEffects(journal: readonly string[], recorded: ByKey, violations: Violations): void {
  const times = new Map<string, number>()
  for (const key of journal) times.set(key, (times.get(key) ?? 0) + 1)
  for (const [key, count] of times) {
    const intended = [...(recorded.get(key)?.values() ?? [])].filter(({ kinds }) => kinds.has('decision') && kinds.has('intent'))
    if (intended.length === 0) violations.add('executed without an intent', key)
    else if (count > intended.length) violations.add('executed more often than intended', `${key}, ${count} times`)
    if (intended.every(({ outcome }) => outcome === 'not_sent')) violations.add('executed and recorded as not sent', key)
  }
}

/** What an agent was told is what the record says. */
function judgeAnswer(answer: Answered, calls: ReadonlyMap<string, Recorded>, effects: ReadonlySet<string>, violations: Violations): void {
  const { key, form, ending, status, code, saysWhen, callId, text } = answer
  const example = `${form} ${key}: ${status} ${code ?? ''} ${text}`
  const own = callId === null ? [...calls.values()] : [calls.get(callId)].filter((call) => call !== undefined)
  const has = (...kinds: string[]): boolean => own.some((call) => kinds.every((kind) => call.kinds.has(kind)))
  if (ending === 'done' && !(has('decision', 'intent', 'outcome') && own.some(({ outcome }) => outcome === 'completed')))
    violations.add('acknowledged and lost', example)
  if (ending === 'held' && !has('decision', 'hold.opened')) violations.add('held and lost', example)
  if (ending === 'doubt' && !has('decision', 'intent')) violations.add('told to be in doubt and not recorded', example)
  if (ending === 'other') violations.add('an answer that nobody expects', example)
  if (ending !== 'refused') return
  if (effects.has(key)) violations.add('refused and executed', example)
  if (!saysWhen) violations.add('refused without saying when to try again', example)
  if (code === 'UNAVAILABLE' && form.startsWith('/proxy') && status !== 503) violations.add('refused with another status', example)
}

/** Every checkpoint that was served is the beginning of the last. */
async function judgeCheckpoints(dir: string, notes: readonly string[], vkey: string, violations: Violations): Promise<void> {
  const key = parseVerifierKey(vkey)
  const faults = new Faults()
  const newest = openCheckpoint(readFileSync(join(dir, CHECKPOINT), 'utf8'), [key], key.name)
  const tiles = new ExportedTiles(dir, newest.size, faults)
  for (const note of notes) await checkConsistency(tiles, openCheckpoint(note, [key], key.name), newest, faults)
  for (const { why } of faults.listed()) violations.add('a checkpoint that the log does not go on from', why)
}

const tally = (answers: readonly Answered[]): Record<Ending, number> => {
  const counts: Record<Ending, number> = { done: 0, held: 0, refused: 0, doubt: 0, broken: 0, other: 0 }
  for (const { ending } of answers) counts[ending] += 1
  return counts
}

/**
 * Holds what agents were told and what the system was asked against an export of the record, which is verified with the key and against every checkpoint
 * that was seen.
 */
export async function judge(
  dir: string,
  answers: readonly Answered[],
  journal: readonly string[],
  { vkey, checkpoints }: { vkey: string; checkpoints: readonly string[] },
): Promise<Verdict> {
  const violations = new Violations()
  const recorded = await recordedIn(dir)
  judgeEffects(journal, recorded, violations)
  const effects = new Set(journal)
  for (const answer of answers) judgeAnswer(answer, recorded.get(answer.key) ?? new Map(), effects, violations)
  const report = await verifyExport(dir, { vkey, since: checkpoints[0] ?? null })
  for (const { what, index, why } of report.faults) violations.add(`audit verify: ${what}`, `${index ?? ''} ${why}`)
  await judgeCheckpoints(dir, checkpoints, vkey, violations)
  const outcomes = [...recorded.values()].flatMap((calls) => [...calls.values()])
  return {
    offered: answers.length,
    endings: tally(answers),
    effects: journal.length,
    calls: outcomes.length,
    entries: report.entries,
    inDoubt: report.calls?.inDoubt.count ?? 0,
    notSent: outcomes.filter(({ outcome }) => outcome === 'not_sent').length,
    violations: violations.listed(),
  }
}
