import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../gateway.ts'
import { mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { humanised, operationName } from '../words.ts'
import { RESOLVE } from './calls-data.ts'

/** What is known of a call in doubt. */
export interface Doubt {
  id: string
  connector: string
  operation: string
  about: { title: string | null; idempotency: string } | null
  object: { type: string; key: string } | null
  upstreamStatus?: number | null
  outcome?: { upstreamStatus: number | null } | null
  error: { message: string } | null
  whyNotResolve: string | null
}

/** Where to look, and the two answers that end the doubt. */
export function InDoubtCheck({ call }: { call: Doubt }) {
  const { connector, operation, about, object, error } = call
  const status = call.upstreamStatus ?? call.outcome?.upstreamStatus ?? null
  return (
    <section className="notice notice-bad doubt" aria-label={texts.inDoubt.check}>
      <strong>{texts.inDoubt.check}</strong>
      <ul>
        <li>{texts.inDoubt.inSystem(connector, about?.title ?? humanised(operationName(operation)))}</li>
        <li>{object ? texts.inDoubt.about(object.type, object.key) : texts.inDoubt.noObject}</li>
        <li>{status === null ? texts.inDoubt.noStatus : texts.inDoubt.status(status)}</li>
        {error && status === null && (
          <li>
            {texts.inDoubt.message}: <VisibleText text={error.message} />
          </li>
        )}
        {about && <li>{texts.inDoubt.idempotency[about.idempotency]}</li>}
      </ul>
      <Resolve call={call} />
    </section>
  )
}

type Effect = 'HAPPENED' | 'DID_NOT_HAPPEN'

function Resolve({ call }: { call: Doubt }) {
  const me = useMe()
  const client = useQueryClient()
  const [asked, setAsked] = useState<Effect>()
  const resolve = useMutation({
    mutationFn: (evidence: string) => ask(RESOLVE, { id: call.id, effect: asked ?? 'HAPPENED', evidence }),
    onSuccess: () => announce(texts.inDoubt.done),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ['in-doubt'] })
      void client.invalidateQueries({ queryKey: ['call', call.id], exact: true })
      void client.invalidateQueries({ queryKey: ['calls', 'newest'] })
    },
  })
  if (!mayChange(me)) return null
  if (call.whyNotResolve !== null)
    return (
      <p>
        {texts.inDoubt.mayNot} {call.whyNotResolve}
      </p>
    )
  const happened = asked === 'HAPPENED'
  return (
    <div className="actions doubt-actions">
      <button type="button" className="button" onClick={() => setAsked('HAPPENED')}>
        {texts.inDoubt.happened}
      </button>
      <button type="button" className="button" onClick={() => setAsked('DID_NOT_HAPPEN')}>
        {texts.inDoubt.didNot}
      </button>
      {asked && (
        <Confirm
          title={happened ? texts.inDoubt.happenedTitle : texts.inDoubt.didNotTitle}
          action={happened ? texts.inDoubt.happened : texts.inDoubt.didNot}
          reason={texts.inDoubt.evidence}
          needsReason
          danger={!happened}
          run={(words) => resolve.mutateAsync(words ?? '')}
          onClose={() => setAsked(undefined)}
        >
          <p>{happened ? texts.inDoubt.happenedWhy : texts.inDoubt.didNotWhy}</p>
        </Confirm>
      )}
    </div>
  )
}
