import { diffLines } from 'diff'
import { useMemo } from 'react'
import { texts } from '../texts.ts'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { changedIn, type Texts } from './draft.ts'
import { SourceLine } from './source-text.tsx'

const words = texts.policies.text

const CONTEXT = 3
const COMPARED_MS = 2_000

interface Row {
  kind: 'same' | 'changed' | 'gap'
  before: { number: number; line: string } | undefined
  after: { number: number; line: string } | undefined
}

/** Where two sets of texts differ, line by line: side by side where there is room, one after the other where there is not. */
export function TextPanel({ before, after }: { before: Texts; after: Texts }) {
  const names = changedIn(before, after)
  if (names.length === 0) return <p className="quiet">{words.none}</p>
  return names.map((name) => <FileDifference key={name} name={name} before={before[name] ?? ''} after={after[name] ?? ''} />)
}

function FileDifference({ name, before, after }: { name: string; before: string; after: string }) {
  const rows = useMemo(() => rowsOf(before, after), [before, after])
  return (
    <section className="block">
      <h3 className="mono">{name}</h3>
      {rows === undefined ? (
        <p className="quiet">{words.tooDifferent}</p>
      ) : (
        <ScrollRegion className="difference" label={words.label(name)}>
          {rows.map((row) => (
            <div key={`${row.kind} ${row.before?.number} ${row.after?.number}`} className={`difference-row difference-${row.kind}`}>
              {row.kind === 'gap' ? (
                <span className="quiet">…</span>
              ) : (
                <>
                  <Side name={name} side={row.before} mark={row.kind === 'changed' ? '−' : ' '} gone />
                  <Side name={name} side={row.after} mark={row.kind === 'changed' ? '+' : ' '} />
                </>
              )}
            </div>
          ))}
        </ScrollRegion>
      )}
    </section>
  )
}

function Side({ name, side, mark, gone = false }: { name: string; side: Row['before']; mark: string; gone?: boolean }) {
  if (!side) return <span className="difference-side difference-empty" />
  return (
    <span className={gone ? 'difference-side difference-gone' : 'difference-side difference-new'}>
      <span className="line-number">{side.number}</span>
      <span className="mark">{mark}</span>
      <code>
        <SourceLine name={name} line={side.line} />
      </code>
    </span>
  )
}

/** Undefined where they are too different to be compared in a moment. */
function rowsOf(before: string, after: string): Row[] | undefined {
  const parts = diffLines(before, after, { timeout: COMPARED_MS })
  if (!parts) return undefined
  const rows: Row[] = []
  const at = { before: 1, after: 1 }
  let gone: string[] = []
  const flush = (added: readonly string[]): void => {
    for (let i = 0; i < Math.max(gone.length, added.length); i += 1) {
      const [old, now] = [gone[i], added[i]]
      rows.push({
        kind: 'changed',
        before: old === undefined ? undefined : { number: at.before++, line: old },
        after: now === undefined ? undefined : { number: at.after++, line: now },
      })
    }
    gone = []
  }
  for (const { value, added, removed } of parts) {
    const lines = value.replace(/\n$/, '').split('\n')
    if (removed) {
      flush([])
      gone = lines
    } else if (added) flush(lines)
    else {
      flush([])
      for (const line of lines) rows.push({ kind: 'same', before: { number: at.before++, line }, after: { number: at.after++, line } })
    }
  }
  flush([])
  return withoutFar(rows)
}

/** Only lines near a change; a gap stands for the others. */
function withoutFar(rows: readonly Row[]): Row[] {
  const near = new Set<number>()
  for (const [index, { kind }] of rows.entries())
    if (kind === 'changed') for (let i = index - CONTEXT; i <= index + CONTEXT; i += 1) near.add(i)
  return rows.flatMap((row, index): Row[] => {
    if (near.has(index)) return [row]
    return near.has(index - 1) || (index === 0 && near.size > 0) ? [{ kind: 'gap', before: row.before, after: row.after }] : []
  })
}
