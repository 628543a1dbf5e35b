import { Link } from '@tanstack/react-router'
import { type JSX, useId } from 'react'
import type { JsonValue } from '../graphql.ts'
import { texts } from '../texts.ts'
import { VisibleText } from '../ui/visible-text.tsx'
import { humanised, operationName, spanOf, useNow } from '../words.ts'
import { ArgumentsView } from './arguments-view.tsx'
import { sideBySide } from './arguments-table.ts'
import type { ShownHold } from './inbox-data.ts'

/** What became of the vote on one hold: what is told, and whether it may be voted on again. */
export interface Outcome {
  text: string
  bad: boolean
  over: boolean
}

interface AlikeTableProps {
  holds: readonly ShownHold[]
  /** Those that can be voted on now. */
  open: readonly ShownHold[]
  chosen: ReadonlySet<string>
  choose: (chosen: ReadonlySet<string>) => void
  outcomes: ReadonlyMap<string, Outcome>
  /** Another page comes. */
  leave: () => void
}

/** Calls that are alike, a row each: what is equal in all is said once, what differs has a column. */
export function AlikeTable({ holds, open, chosen, choose, outcomes, leave }: AlikeTableProps): JSX.Element | null {
  const heading = useId()
  const now = useNow(10_000)
  const [first] = holds
  if (!first) return null
  const schema = first.about?.inputSchema
  const view = sideBySide(
    holds.map(({ input }) => input),
    schema,
  )
  const title = first.about?.title ?? humanised(operationName(first.operation))
  const mine = holds.filter(({ id }) => open.some((each) => each.id === id))
  const all = mine.length > 0 && mine.every(({ id }) => chosen.has(id))
  return (
    <section className="together" aria-labelledby={heading}>
      <h3 id={heading}>
        {title} <span className="quiet">{texts.together.of(first.agent, first.subject ?? texts.inbox.itself)}</span>
      </h3>
      {first.reasons.map(({ policyId, reason }) => (
        <p key={policyId} className="quiet">
          {reason ?? policyId}
        </p>
      ))}
      {view.equal.length > 0 && holds.length > 1 && <Equal equal={view.equal} />}
      <div className="table-scroll">
        <table className="table" aria-labelledby={heading}>
          <thead>
            <tr>
              <th scope="col">
                <input
                  type="checkbox"
                  aria-label={texts.together.all}
                  checked={all}
                  disabled={mine.length === 0}
                  onChange={() => choose(withAll(chosen, mine, !all))}
                />
              </th>
              {(holds.length > 1 ? view.differing : view.equal).map(({ pointer, name }) => (
                <th key={pointer} scope="col" className={typeof view.at(0, pointer) === 'number' ? 'number' : undefined}>
                  <VisibleText text={name} />
                </th>
              ))}
              <th scope="col" className="number">
                {texts.together.deadline}
              </th>
              <th scope="col">{texts.together.more}</th>
            </tr>
          </thead>
          <tbody>
            {holds.map((hold, row) => (
              <CallRow
                key={hold.id}
                hold={hold}
                values={(holds.length > 1 ? view.differing : view.equal).map(({ pointer }) => view.at(row, pointer))}
                name={texts.together.row(row + 1, holds.length)}
                leftMs={Date.parse(hold.expiresAt) - now}
                votable={mine.includes(hold)}
                checked={chosen.has(hold.id)}
                toggle={() => choose(withAll(chosen, [hold], !chosen.has(hold.id)))}
                outcome={outcomes.get(hold.id)}
                leave={leave}
              />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function withAll(chosen: ReadonlySet<string>, holds: readonly { id: string }[], on: boolean): ReadonlySet<string> {
  const next = new Set(chosen)
  for (const { id } of holds) on ? next.add(id) : next.delete(id)
  return next
}

function Equal({ equal }: { equal: readonly { pointer: string; name: string; value: JsonValue }[] }) {
  return (
    <div>
      <h4 className="list-title">{texts.together.equal}</h4>
      <dl className="fields fields-equal">
        {equal.map(({ pointer, name, value }) => (
          <div key={pointer}>
            <dt>
              <VisibleText text={name} />
            </dt>
            <dd>
              <ArgumentsView value={value} schema={undefined} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

function CallRow({
  hold,
  values,
  name,
  leftMs,
  votable,
  checked,
  toggle,
  outcome,
  leave,
}: {
  hold: ShownHold
  values: readonly (JsonValue | undefined)[]
  name: string
  leftMs: number
  votable: boolean
  checked: boolean
  toggle: () => void
  outcome: Outcome | undefined
  leave: () => void
}) {
  const columns = values.map((value, at) => ({ value, key: `${at}` }))
  return (
    <tr className={checked && votable ? 'row-chosen' : undefined}>
      <td>
        <input type="checkbox" aria-label={name} checked={checked && votable} disabled={!votable} onChange={toggle} />
      </td>
      {columns.map(({ value, key }) => (
        <td key={key} className={typeof value === 'number' ? 'number' : undefined}>
          {value === undefined ? <span className="quiet">{texts.edit.nothing}</span> : <ArgumentsView value={value} schema={undefined} />}
        </td>
      ))}
      <td className={leftMs < 900_000 ? 'number clock-soon' : 'number'}>{leftMs > 0 ? spanOf(leftMs) : texts.inbox.overdue}</td>
      <td>
        {outcome && <p className={outcome.bad ? 'chip chip-bad' : 'chip chip-strong'}>{outcome.text}</p>}
        {hold.ineligible !== null && <p className="quiet">{hold.ineligible}</p>}
        <details>
          <summary>{texts.together.json}</summary>
          {hold.inputText === null ? <p className="quiet">{texts.hold.hidden}</p> : <pre className="json">{hold.inputText}</pre>}
          <Link to="/inbox/$holdId" params={{ holdId: hold.id }} search onClick={leave}>
            {texts.together.card}
          </Link>
        </details>
      </td>
    </tr>
  )
}
