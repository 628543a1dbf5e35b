import { Link } from '@tanstack/react-router'
import { Fragment, type ReactNode } from 'react'
import { mayRead, useMe } from '../me.ts'

/** An agent's name, which leads to its page for those who may read it. */
export function AgentLink({ name }: { name: string }) {
  return (
    <ForReaders plain={name}>
      <Link to="/agents/$name" params={{ name }}>
        {name}
      </Link>
    </ForReaders>
  )
}

/** `connector.operation`, which leads to it among the operations of its connector. */
export function OperationLink({ id }: { id: string }) {
  const name = id.slice(0, Math.max(0, id.indexOf('.')))
  return (
    <ForReaders plain={<code>{id}</code>}>
      <Link to="/connectors/$name" params={{ name }} search={{ q: id }}>
        <code>{id}</code>
      </Link>
    </ForReaders>
  )
}

/** Policy ids, each of which leads to the policy among those that bind now. */
export const PolicyLinks = ({ ids }: { ids: readonly string[] }) =>
  ids.map((id, index) => (
    <Fragment key={id}>
      {index > 0 && ', '}
      <PolicyLink id={id} />
    </Fragment>
  ))

export function PolicyLink({ id }: { id: string }) {
  return (
    <ForReaders plain={<code>{id}</code>}>
      <Link to="/policies/$tab/$item" params={{ tab: 'active', item: id }}>
        <code>{id}</code>
      </Link>
    </ForReaders>
  )
}

/** Leads to another call, which only those who read calls are sure to see. */
export function CallLink({ id, children }: { id: string; children: ReactNode }) {
  return (
    <ForReaders plain={children}>
      <Link to="/calls/$callId" params={{ callId: id }}>
        {children}
      </Link>
    </ForReaders>
  )
}

function ForReaders({ plain, children }: { plain: ReactNode; children: ReactNode }) {
  return mayRead(useMe()) ? children : plain
}
