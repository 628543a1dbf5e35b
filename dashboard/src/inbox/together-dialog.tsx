import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { ask, GatewayProblem } from '../gateway.ts'
import { useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { AlikeTable, type Outcome } from './alike-table.tsx'
import {
  APPROVE_SEVERAL,
  holdTruthQuery,
  lookAtArguments,
  REFUSE_SEVERAL,
  type ShownHold,
  TOGETHER_MAX,
  type VoteResult,
} from './inbox-data.ts'

type Verdict = 'approve' | 'refuse'

/** Several calls at once: each shown with all its arguments, each with a vote of its own. */
export function TogetherDialog({
  ids,
  chosen: chosenBefore,
  onClose,
}: {
  ids: readonly string[]
  chosen: ReadonlySet<string>
  onClose: (voted: boolean) => void
}) {
  const shown = useQuery({
    queryKey: ['together', ids],
    queryFn: ({ signal }) => lookAtArguments(ids.slice(0, TOGETHER_MAX), signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  })
  const [chosen, choose] = useState(chosenBefore)
  const votes = useSeveralVotes(ids)
  const onLeave = (): void => onClose(votes.voted)
  const open = shown.data?.filter((hold) => isVotable(hold) && !votes.outcomes.get(hold.id)?.over) ?? []
  const selected = open.filter(({ id }) => chosen.has(id))
  return (
    <Dialog title={texts.together.title(shown.data?.length ?? ids.length)} onClose={onLeave} wide="table">
      {shown.isPending ? (
        <Skeleton lines={10} />
      ) : shown.data === undefined ? (
        <Problem error={shown.error} again={() => void shown.refetch()} />
      ) : (
        <>
          <p className="quiet">{texts.together.rules}</p>
          {ids.length > TOGETHER_MAX && <p className="notice notice-warn">{texts.together.cut(TOGETHER_MAX, ids.length)}</p>}
          {[...Map.groupBy(shown.data, ({ alike }) => alike).values()].map((group) => (
            <AlikeTable
              key={group[0]?.alike}
              holds={group}
              open={open}
              chosen={chosen}
              choose={choose}
              outcomes={votes.outcomes}
              leave={onLeave}
            />
          ))}
        </>
      )}
      <Footer selected={selected} ready={shown.data !== undefined} left={open.length} votes={votes} onClose={onLeave} />
    </Dialog>
  )
}

const isVotable = ({ ineligible, inputText }: ShownHold): boolean => ineligible === null && inputText !== null

/** What can be done with the selected ones. What is for good is asked once more, as for a single one. */
function Footer({
  selected,
  ready,
  left,
  votes,
  onClose,
}: {
  selected: readonly ShownHold[]
  ready: boolean
  left: number
  votes: SeveralVotes
  onClose: () => void
}) {
  const [comment, setComment] = useState('')
  const [asking, setAsking] = useState<Verdict>()
  const count = selected.length
  const forGood = selected.filter(({ about }) => about === null || about.reversibility === 'irreversible').length
  const send = (verdict: Verdict): void => {
    setAsking(undefined)
    votes.send({ verdict, holds: selected, comment })
  }
  const ask = (verdict: Verdict): void => (verdict === 'approve' && forGood === 0 ? send(verdict) : setAsking(verdict))
  const isOver = ready && left === 0 && votes.voted
  return (
    <form
      className="together-foot"
      onSubmit={(event) => {
        event.preventDefault()
        if (asking && count > 0) send(asking)
      }}
    >
      {votes.said && (
        <p className={votes.said.bad ? 'notice notice-bad' : 'notice notice-good'} role={votes.said.bad ? 'alert' : 'status'}>
          {votes.said.text}
        </p>
      )}
      {asking && <p className="notice notice-warn">{texts.together.sure[asking](count, forGood)}</p>}
      {!isOver && (
        <label className="field">
          {asking === 'refuse' ? texts.decide.refuseComment : texts.decide.comment}
          <textarea rows={1} maxLength={2_000} value={comment} onChange={(event) => setComment(event.target.value)} />
        </label>
      )}
      <div className="actions">
        {!asking && <span className="quiet together-count">{isOver ? '' : texts.together.selected(count)}</span>}
        <button type="button" className="button" onClick={() => (asking ? setAsking(undefined) : onClose())}>
          {asking ? texts.together.back : votes.voted ? texts.keys.close : texts.decide.cancel}
        </button>
        {asking ? (
          <button type="submit" className={asking === 'approve' ? 'button button-good' : 'button button-bad'} disabled={count === 0}>
            {asking === 'approve' ? texts.together.approveForGood(count) : texts.together.refuse(count)}
          </button>
        ) : (
          !isOver && (
            <>
              <button type="button" className="button button-bad" disabled={count === 0 || votes.busy} onClick={() => ask('refuse')}>
                {texts.together.refuse(count)}
              </button>
              <button type="button" className="button button-good" disabled={count === 0 || votes.busy} onClick={() => ask('approve')}>
                {votes.busy ? texts.decide.working : texts.together.approve(count)}
              </button>
            </>
          )
        )}
      </div>
    </form>
  )
}

interface Ballot {
  verdict: Verdict
  holds: readonly ShownHold[]
  comment: string
}

interface SeveralVotes {
  send: (ballot: Ballot) => void
  busy: boolean
  /** Some vote counts. */
  voted: boolean
  outcomes: ReadonlyMap<string, Outcome>
  said: { text: string; bad: boolean } | undefined
}

const isUnknown = (error: unknown): boolean =>
  error instanceof GatewayProblem && ['OFFLINE', 'UNAVAILABLE', 'INTERNAL'].includes(error.code)

/** Sends votes once and keeps what became of each. Where no answer came it asks how the holds stand, and never votes again by itself. */
function useSeveralVotes(ids: readonly string[]): SeveralVotes {
  const client = useQueryClient()
  const me = useMe()
  const [results, setResults] = useState<ReadonlyMap<string, Outcome>>(new Map())
  const sent = useRef<Ballot>(undefined)
  const vote = useMutation({
    mutationFn: async ({ verdict, holds, comment }: Ballot) => {
      const variables = { votes: holds.map(({ id, digest }) => ({ id, digest })), comment: comment.trim() === '' ? null : comment }
      return verdict === 'approve'
        ? (await ask(APPROVE_SEVERAL, variables)).approveHolds
        : (await ask(REFUSE_SEVERAL, variables)).rejectHolds
    },
    onSuccess: (answers, { verdict }) => {
      setResults((before) => new Map([...before, ...answers.map((answer) => [answer.id, outcomeOf(answer, verdict)] as const)]))
      announce(summary(answers, verdict).text)
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['inbox'] }),
  })
  const unknown = vote.isError && isUnknown(vote.error)
  const truth = useQuery({ ...holdTruthQuery(ids), enabled: unknown, refetchInterval: 3_000, gcTime: 0 })
  const found = unknown && truth.data ? truthOf(truth.data, me?.name, new Set(sent.current?.holds.map(({ id }) => id))) : undefined
  const outcomes = found ? new Map([...results, ...found]) : results
  return {
    send: (ballot) => {
      sent.current = ballot
      setResults(outcomes)
      vote.mutate(ballot)
    },
    busy: vote.isPending || (unknown && !found),
    voted: [...outcomes.values()].some(({ over }) => over),
    outcomes,
    said: vote.isError
      ? { text: unknown ? (found ? texts.together.known : texts.together.unknown) : vote.error.message, bad: !found }
      : vote.data && vote.variables && summary(vote.data, vote.variables.verdict),
  }
}

function outcomeOf({ code, message, hold }: VoteResult, verdict: Verdict): Outcome {
  if (!hold) return { text: message ?? texts.together.failed, bad: true, over: code !== 'UNAVAILABLE' && code !== 'INTERNAL' }
  if (hold.state === 'open') return { text: texts.together.voted, bad: false, over: true }
  return { text: verdict === 'approve' ? (texts.hold.states.approved ?? '') : (texts.hold.states.rejected ?? ''), bad: false, over: true }
}

function summary(answers: readonly VoteResult[], verdict: Verdict): { text: string; bad: boolean } {
  const counted = answers.filter(({ hold }) => hold !== null).length
  return { text: texts.together.done[verdict](counted, answers.length), bad: counted < answers.length }
}

/** How the holds that were voted on stand, after no answer came. */
function truthOf(
  holds: readonly { id: string; state: string; votes: readonly { voter: string }[] }[],
  me: string | undefined,
  sent: ReadonlySet<string>,
): ReadonlyMap<string, Outcome> {
  const told = holds.filter(({ id }) => sent.has(id))
  return new Map(
    told.map(({ id, state, votes }): [string, Outcome] => {
      if (votes.some(({ voter }) => voter === me)) return [id, { text: texts.together.counts, bad: false, over: true }]
      return [id, { text: texts.together.countsNot, bad: true, over: state !== 'open' }]
    }),
  )
}
