import { useEffect } from 'react'
import type { JsonValue } from '../graphql.ts'
import { texts } from '../texts.ts'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { isRecord } from '../words.ts'
import { ask } from '../gateway.ts'
import { Answered, Run, useAsking } from './asking.tsx'
import { inputOf, type Texts } from './draft.ts'
import { DIFF, type Diff } from './policies-data.ts'
import { CHANGES, changeTitle, Ids, Operations, SaidWords } from './said.tsx'

const words = texts.policies.changes

interface ChangesProps {
  texts: Texts
  /** Null compares with the active set. */
  against: Texts | null
  of: string
  eager: boolean
  /** Once there is an answer to read, or the reason why there is none. */
  onTold?: () => void
}

/** Which requests these texts decide otherwise, each kind with somebody who meets it. */
export function ChangesPanel({ texts: draft, against, of, eager, onTold }: ChangesProps) {
  const asking = useAsking(
    of,
    eager,
    async () => (await ask(DIFF, { draft: inputOf(draft), against: against && inputOf(against) })).diffPolicies,
  )
  const told = asking.answer !== undefined || asking.error !== null
  useEffect(() => {
    if (told) onTold?.()
  }, [told, onTold])
  return (
    <>
      <Run asking={asking} words={words.run} />
      <Answered asking={asking} idle={words.idle}>
        {(diff) => <Told diff={diff} />}
      </Answered>
    </>
  )
}

function Told({ diff }: { diff: Diff }) {
  return (
    <>
      <p className={toneOf(diff)} role="status">
        {diff.changes.length + diff.classes.length === 0 ? words.none : words.found(counted(diff))}
      </p>
      <TextChanges diff={diff} />
      {CHANGES.map((kind) => (
        <Kind key={kind} kind={kind} changes={diff.changes.filter(({ change }) => change === kind)} />
      ))}
      <Reading diff={diff} />
      <Blind diff={diff} />
    </>
  )
}

/** What becomes possible is what a reviewer has to look at. */
function toneOf({ changes, classes }: Diff): string {
  const opens = [...changes, ...classes].some(({ change }) => change === 'newly_allowed' || change === 'newly_readable')
  if (opens) return 'notice notice-warn'
  return changes.length + classes.length === 0 ? 'notice notice-good' : 'notice notice-plain'
}

function counted({ changes, classes }: Diff): string {
  const kinds = CHANGES.map((kind) => [changeTitle(kind).toLowerCase(), changes.filter(({ change }) => change === kind).length] as const)
  const reading = ['newly_readable', 'newly_masked'].map(
    (kind) => [changeTitle(kind).toLowerCase(), classes.filter(({ change }) => change === kind).length] as const,
  )
  return [...kinds, ...reading]
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')
}

function TextChanges({ diff }: { diff: Diff }) {
  const lists = [
    [words.added, diff.added],
    [words.changed, diff.changed],
    [words.removed, diff.removed],
    [words.facts, diff.facts],
  ] as const
  const shown = lists.filter(([, ids]) => ids.length > 0)
  if (shown.length === 0) return null
  return (
    <dl className="who">
      {shown.map(([title, ids]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>
            <Ids ids={ids} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Kind({ kind, changes }: { kind: string; changes: Diff['changes'] }) {
  if (changes.length === 0) return null
  return (
    <section className="block">
      <h3>
        <span className={`change change-${kind}`}>{changeTitle(kind)}</span>
      </h3>
      <ScrollRegion label={changeTitle(kind)}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{words.operation}</th>
              <th scope="col">{words.witness}</th>
              <th scope="col">{words.before}</th>
              <th scope="col">{words.after}</th>
            </tr>
          </thead>
          <tbody>
            {changes.map((change) => (
              <tr key={JSON.stringify([change.operations[0], change.before, change.after, change.who.registered])}>
                <td>
                  <Operations operations={change.operations} />
                </td>
                <td>
                  <Witness change={change} />
                </td>
                <td>
                  <SaidWords said={change.before} />
                </td>
                <td>
                  <SaidWords said={change.after} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </section>
  )
}

function Witness({ change }: { change: Diff['changes'][number] }) {
  const { who, because } = change
  const values = Object.entries(isRecord(because as JsonValue) ? (because as { [key: string]: JsonValue }) : {})
  const list = (names: readonly string[]): string => (names.length === 0 ? words.nobody : names.join(', '))
  return (
    <>
      <strong>{who.agent}</strong>
      {who.subject !== null && (
        <>
          {' '}
          {words.for} <strong>{who.subject}</strong>
        </>
      )}
      {values.length > 0 && ` ${words.with} `}
      {values.map(([name, value], index) => (
        <span key={name}>
          {index > 0 && ', '}
          <code>{name}</code>{' '}
          {value === null ? words.absent : <VisibleText text={typeof value === 'string' ? `“${value}”` : JSON.stringify(value)} />}
        </span>
      ))}
      {!who.registered && (
        <p className="quiet">
          {words.madeUp} {words.attributes(list(who.roles), who.autonomy, who.region ?? '–', who.team ?? '–', list(who.clearance))}
          {who.subject !== null && ` ${words.groups(list(who.groups))}`}
        </p>
      )}
      {change.mayBeRefused && <p className="quiet">{words.mayBeRefused}</p>}
    </>
  )
}

function Reading({ diff }: { diff: Diff }) {
  if (diff.classes.length === 0) return null
  return (
    <section className="block">
      <h3>{words.reading}</h3>
      <ul className="fault-list">
        {diff.classes.map((one) => (
          <li key={JSON.stringify(one)}>
            <span className={one.change === 'newly_readable' ? 'chip chip-warn' : 'chip'}>{changeTitle(one.change)}</span>
            <span>
              <code>{one.dataClass}</code> {words.in} <Operations operations={one.operations} /> {words.for} <strong>{one.agent}</strong>
              {one.subject !== null && ` ${words.for} ${one.subject}`}
              {!one.registered && ` (${words.madeUp})`}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** What the search did not see: nobody should take silence for safety. */
function Blind({ diff }: { diff: Diff }) {
  return (
    <div className="quiet blind">
      <p>
        {words.asked(diff.asked, diff.unchanged)} {diff.complete ? words.complete : words.incomplete}
      </p>
      {diff.oneSided.map(({ policy, condition, never }) => (
        <p key={`${policy} ${condition}`}>
          {words.oneSided(never)} <code>{condition}</code> (<code>{policy}</code>)
        </p>
      ))}
      {diff.unasked.slice(0, 20).map(({ operation, why }) => (
        <p key={operation}>
          {words.unasked} <code>{operation}</code>: {why}
        </p>
      ))}
    </div>
  )
}
