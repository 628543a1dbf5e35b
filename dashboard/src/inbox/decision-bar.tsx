import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { ask, GatewayProblem } from '../gateway.ts'
import { mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Dialog } from '../ui/dialog.tsx'
import { useKeys } from '../ui/keys.ts'
import { humanised, isRecord, operationName } from '../words.ts'
import { BreakTheGlass, GiveMore } from '../grants/hold-grants.tsx'
import { EditDialog } from './edit-dialog.tsx'
import { APPROVE, type HoldCardData, type HoldState, REFUSE } from './inbox-data.ts'

interface Verdict {
  kind: 'approve' | 'refuse'
  comment: string
}

/** The vote. An operation that cannot be undone asks once more; a refusal asks why. */
export function DecisionBar({ card, state, offline, next }: { card: HoldCardData; state: HoldState; offline: boolean; next: () => void }) {
  const me = useMe()
  const [asking, setAsking] = useState<Verdict['kind']>()
  const [editing, setEditing] = useState(false)
  const navigate = useNavigate()
  const vote = useVote(card, next)
  const voted = state.votes.some(({ voter }) => voter === me?.name)
  const may = state.state === 'open' && state.ineligible === null && !voted && mayChange(me)
  const busy = vote.isPending
  const approve = (): void => {
    if (!may || busy) return
    if (card.about === null || card.about.reversibility === 'irreversible') setAsking('approve')
    else vote.mutate({ kind: 'approve', comment: '' })
  }
  const refuse = (): void => {
    if (may && !busy) setAsking('refuse')
  }
  const input = isRecord(card.input) ? card.input : undefined
  const mayEdit = may && state.editsAllowed && input !== undefined
  useKeys({ a: approve, r: refuse, e: () => mayEdit && !busy && setEditing(true) })
  const about = texts.decide.about(card.about?.title ?? humanised(operationName(card.operation)), card.agent)
  if (!mayChange(me)) return null
  if (!may && !vote.isError)
    return state.state === 'open' ? (
      <Bar>
        <p className="quiet">{voted ? texts.decide.voted : `${texts.decide.ineligible} ${state.ineligible ?? ''}`}</p>
        <BreakTheGlass card={card} state={state} />
      </Bar>
    ) : null
  return (
    <Bar>
      {(vote.isError || offline) && <Failure error={vote.error} />}
      <button
        type="button"
        className="button button-good"
        onClick={approve}
        disabled={busy || !may}
        aria-keyshortcuts="a"
        aria-label={`${texts.decide.approve} ${about}`}
      >
        {busy ? texts.decide.working : texts.decide.approve}
      </button>
      {mayEdit && (
        <button
          type="button"
          className="button"
          onClick={() => setEditing(true)}
          disabled={busy}
          aria-keyshortcuts="e"
          aria-label={`${texts.edit.edit} ${about}`}
        >
          {texts.edit.edit}
        </button>
      )}
      <button
        type="button"
        className="button button-bad"
        onClick={refuse}
        disabled={busy || !may}
        aria-keyshortcuts="r"
        aria-label={`${texts.decide.refuse} ${about}`}
      >
        {texts.decide.refuse}
      </button>
      <GiveMore card={card} next={next} />
      {editing && input && (
        <EditDialog
          card={card}
          input={input}
          onClose={() => setEditing(false)}
          onDone={(id) => {
            setEditing(false)
            void navigate({ to: '/inbox/$holdId', params: { holdId: id }, search: true, replace: true })
          }}
        />
      )}
      {asking !== undefined && (
        <VoteDialog
          kind={asking}
          card={card}
          onClose={() => setAsking(undefined)}
          onVote={(comment) => {
            setAsking(undefined)
            vote.mutate({ kind: asking, comment })
          }}
        />
      )}
    </Bar>
  )
}

const Bar = ({ children }: { children: ReactNode }) => (
  <section className="decide" aria-label={texts.decide.label}>
    {children}
  </section>
)

function useVote({ id, digest }: HoldCardData, next: () => void) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async ({ kind, comment }: Verdict) => {
      // The digest of what is shown: a vote on anything else is refused.
      const variables = { id, digest, comment: comment.trim() === '' ? null : comment }
      if (kind === 'approve') return { kind, hold: (await ask(APPROVE, variables)).approveHold }
      return { kind, hold: (await ask(REFUSE, variables)).rejectHold }
    },
    onSuccess: ({ kind, hold }) => {
      announce(kind === 'refuse' ? texts.decide.doneRefused : hold.state === 'open' ? texts.decide.doneVoted : texts.decide.doneApproved)
      next()
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['inbox'] }),
  })
}

function Failure({ error }: { error: Error | null }) {
  const unknown = error === null || (error instanceof GatewayProblem && ['OFFLINE', 'UNAVAILABLE', 'INTERNAL'].includes(error.code))
  return (
    <p className="notice notice-bad" role="alert">
      {error === null ? texts.connection.offline : unknown ? texts.decide.unknown : error.message}
    </p>
  )
}

function VoteDialog({
  kind,
  card,
  onClose,
  onVote,
}: {
  kind: Verdict['kind']
  card: HoldCardData
  onClose: () => void
  onVote: (comment: string) => void
}) {
  const [comment, setComment] = useState('')
  const words = kind === 'approve' ? texts.decide.confirmTitle : texts.decide.refuseTitle
  return (
    <Dialog title={words} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          onVote(comment)
        }}
      >
        <p>
          <strong>{card.agent}</strong> · <code>{card.operation}</code>
        </p>
        <label className="field">
          {kind === 'approve' ? texts.decide.comment : texts.decide.refuseComment}
          <textarea rows={3} maxLength={2_000} value={comment} onChange={(event) => setComment(event.target.value)} />
        </label>
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {texts.decide.cancel}
          </button>
          <button type="submit" className={kind === 'approve' ? 'button button-good' : 'button button-bad'}>
            {kind === 'approve' ? texts.decide.confirm : texts.decide.refuse}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
