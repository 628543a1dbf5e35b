import { texts } from '../texts.ts'
import type { Said } from './policies-data.ts'

export const CHANGES = ['newly_allowed', 'newly_held', 'held_otherwise', 'newly_denied'] as const
export type ChangeKind = (typeof CHANGES)[number]

const words = texts.policies.changes

export const changeTitle = (change: string): string => words.titles[change] ?? change

/** What a policy set says, and by which policies. */
export function SaidWords({ said }: { said: Said }) {
  const by = said.policies.length > 0 && (
    <>
      {' '}
      {words.by} <Ids ids={said.policies} />
    </>
  )
  if (said.outcome === 'permit')
    return (
      <span>
        {words.allowed}
        {by}
      </span>
    )
  if (said.outcome === 'hold')
    return (
      <span>
        {words.held(said.approvals.join(words.and))}
        {by}
      </span>
    )
  if (said.denyReason === 'no_permit') return <span>{words.nothingPermits}</span>
  return (
    <span>
      {words.denied}
      {by}
    </span>
  )
}

export const Ids = ({ ids }: { ids: readonly string[] }) =>
  ids.map((id, index) => (
    <span key={id}>
      {index > 0 && ', '}
      <code>{id}</code>
    </span>
  ))

/** The first few operations, and how many more there are. */
export function Operations({ operations }: { operations: readonly string[] }) {
  const [first, ...more] = operations
  return (
    <>
      <code>{first}</code>
      {more.length > 0 && (
        <details>
          <summary>{words.more(more.length)}</summary>
          <Ids ids={more.slice(0, 200)} />
        </details>
      )}
    </>
  )
}
