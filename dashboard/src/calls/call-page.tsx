import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { pollMs, useLive } from '../live.ts'
import { mayRead, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { AgentLink, OperationLink } from '../ui/page-links.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { StateChip } from '../ui/state-chip.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { Ago, When } from '../ui/when.tsx'
import { humanised, moment, operationName } from '../words.ts'
import './calls.css'
import { AgentAccount } from './agent-account.tsx'
import { CallDecision } from './call-decision.tsx'
import { CallRequest } from './call-request.tsx'
import { CallTime } from './call-time.tsx'
import { CALL_CHANGED, type CallData, callQuery, removalQuery } from './calls-data.ts'
import { InDoubtCheck } from './in-doubt-check.tsx'
import { lastList } from './list-address.ts'
import { RecordEntries } from './record-entries.tsx'

/** One call: who, what, what policy said, who voted, what became of it, and its lines in the record. */
export function CallPage() {
  const { callId = '' } = useParams({ strict: false })
  const me = useMe()
  const client = useQueryClient()
  const live = useLive(
    CALL_CHANGED,
    { id: callId },
    () => void client.invalidateQueries({ queryKey: callQuery(callId).queryKey, exact: true }),
  )
  const { data: call, error, isError, refetch } = useQuery({ ...callQuery(callId), refetchInterval: pollMs(live) })
  const back = mayRead(me) && (
    <Link to="/calls" search={lastList()} className="call-back">
      ← {texts.call.all}
    </Link>
  )
  return (
    <main id="content" className="plain call-page">
      {back}
      {call === null ? (
        <Gone id={callId} reads={mayRead(me)} />
      ) : call === undefined ? (
        isError ? (
          <Problem error={error} again={() => void refetch()} />
        ) : (
          <Skeleton lines={18} />
        )
      ) : (
        <Whole call={call} reads={mayRead(me)} />
      )}
    </main>
  )
}

/** Who reads everything is told that it may have been removed: ids are in the order of time, and the record says how far it went. */
function Gone({ id, reads }: { id: string; reads: boolean }) {
  const { data: removal } = useQuery({ ...removalQuery, enabled: reads })
  const isOld = removal?.lastCall && id <= removal.lastCall
  return (
    <div className="empty">
      <h1>{isOld ? texts.call.removed : texts.call.gone}</h1>
      <p className="quiet">
        {isOld ? texts.call.removedWhy(moment(removal.newest ?? removal.at), moment(removal.at)) : texts.call.goneWhy}
      </p>
    </div>
  )
}

function Whole({ call, reads }: { call: CallData; reads: boolean }) {
  return (
    <>
      <Head call={call} />
      {call.state === 'in_doubt' && <InDoubtCheck call={call} />}
      <div className="call-columns">
        <div className="call-column">
          <CallRequest call={call} />
          <CallDecision call={call} />
          <HoldAndVotes call={call} />
          <AgentAccount call={call} />
        </div>
        <div className="call-column">
          <Outcome call={call} />
          <CallTime call={call} />
          {reads && <Alike call={call} />}
        </div>
      </div>
      <RecordEntries entries={call.entries} />
    </>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Head({ call }: { call: CallData }) {
  const { about, operation, agent, owner, subject, actors, object, door, run, trace } = call
  return (
    <header className="card-head">
      <p className="quiet">
        <OperationLink id={operation} />
      </p>
      <h1>{about?.title ?? humanised(operationName(operation))}</h1>
      {about && about.description !== '' && <p className="quiet">{about.description}</p>}
      <ul className="chips">
        <li>
          <StateChip state={call.state} />
        </li>
        {about && (
          <li className={about.reversibility === 'irreversible' ? 'chip chip-bad' : 'chip'}>
            {texts.hold.reversibility[about.reversibility]}
          </li>
        )}
      </ul>
      <dl className="who">
        <Fact name={texts.hold.asks}>
          <strong>
            <AgentLink name={agent} />
          </strong>{' '}
          <span className="quiet">
            {texts.hold.owner} {owner}
          </span>
        </Fact>
        <Fact name={texts.hold.actsFor}>
          {subject === null ? <span className="quiet">{texts.hold.itself}</span> : <VisibleText text={subject} />}
        </Fact>
        {actors.length > 1 && <Fact name={texts.call.actors}>{actors.join(' → ')}</Fact>}
        {object && (
          <Fact name={texts.call.object}>
            {object.type} <VisibleText text={object.key} />
          </Fact>
        )}
        <Fact name={texts.call.asked}>
          <When at={call.createdAt} />
        </Fact>
        <Fact name={texts.call.changed}>
          <Ago at={call.updatedAt} />
        </Fact>
        <Fact name={texts.call.door}>{texts.calls.doors[door]}</Fact>
        {run !== null && (
          <Fact name={texts.call.run}>
            <VisibleText text={run} />
          </Fact>
        )}
        {trace !== null && (
          <Fact name={texts.call.trace}>
            <code>{trace}</code>
          </Fact>
        )}
        <Fact name={texts.call.id}>
          <code>{call.id}</code>
        </Fact>
      </dl>
      {call.equalCall && (
        <p className="notice notice-warn">
          <strong>{texts.call.equal}</strong>{' '}
          <Link to="/calls/$callId" params={{ callId: call.equalCall.id }}>
            {moment(call.equalCall.at)}
          </Link>
        </p>
      )}
    </header>
  )
}

function HoldAndVotes({ call: { hold } }: { call: CallData }) {
  if (!hold) return null
  return (
    <section className="block" aria-labelledby="call-hold">
      <div className="block-head">
        <h2 id="call-hold">{texts.call.votes}</h2>
        <Link to="/inbox/$holdId" params={{ holdId: hold.id }}>
          {texts.call.openHold}
        </Link>
      </div>
      <p>
        <span className="chip">{texts.hold.states[hold.state]}</span>{' '}
        <span className="quiet">{hold.requires.map(({ group, count }) => texts.hold.needs(count, group)).join(' + ')}</span>
      </p>
      {hold.votes.length === 0 && <p className="quiet">{texts.hold.noVotes}</p>}
      <ul className="votes">
        {hold.votes.map(({ voter, verdict, comment, at }) => (
          <li key={voter}>
            <strong>{voter}</strong> {verdict === 'approve' ? texts.hold.approved : texts.hold.refused}{' '}
            <span className="quiet">
              <When at={at} />
            </span>
            {comment !== null && (
              <blockquote>
                <VisibleText text={comment} />
              </blockquote>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

function Outcome({ call }: { call: CallData }) {
  const { outcome, state } = call
  const error = outcome?.error ?? call.error
  return (
    <section className="block" aria-labelledby="call-outcome">
      <h2 id="call-outcome">{texts.call.outcome}</h2>
      {outcome ? <p>{texts.call.outcomes[outcome.kind]}</p> : <p>{state === 'executing' ? texts.call.running : texts.call.noOutcome}</p>}
      {error && (
        <p className="notice notice-bad">
          <code>{error.code}</code> <VisibleText text={error.message} />
        </p>
      )}
      {outcome && (
        <dl className="fields">
          {outcome.upstreamStatus !== null && <Fact name={texts.call.upstreamStatus}>{outcome.upstreamStatus}</Fact>}
          <Fact name={texts.call.upstreamMs}>{texts.calls.ms(outcome.upstreamMs)}</Fact>
          <Fact name={texts.call.resultBytes}>{texts.call.bytes(outcome.resultBytes)}</Fact>
          {outcome.resultDigest !== null && (
            <Fact name={texts.call.resultDigest}>
              <code>{outcome.resultDigest}</code>
            </Fact>
          )}
        </dl>
      )}
      {outcome && outcome.masked.length > 0 && (
        <>
          <h3>{texts.call.masked}</h3>
          <p className="quiet">{texts.call.maskedWhy(outcome.maskedClasses.join(', '))}</p>
          <ul className="masked">
            {outcome.masked.map((pointer) => (
              <li key={pointer}>{pointer === '' ? texts.call.whole : <code>{pointer}</code>}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

/** Ways to the calls around this one. */
function Alike({ call }: { call: CallData }) {
  const { agent, operation, run, object } = call
  return (
    <nav className="block" aria-label={texts.call.links}>
      <ul className="call-links">
        <li>
          <Link to="/calls" search={{ agent }}>
            {texts.call.sameAgent}
          </Link>
        </li>
        <li>
          <Link to="/calls" search={{ operation }}>
            {texts.call.sameOperation}
          </Link>
        </li>
        {run !== null && (
          <li>
            <Link to="/calls" search={{ run }}>
              {texts.call.sameRun}
            </Link>
          </li>
        )}
        {object && (
          <li>
            <Link to="/calls" search={{ object: `${object.type}:${object.key}` }}>
              {texts.call.sameObject}
            </Link>
          </li>
        )}
      </ul>
    </nav>
  )
}
