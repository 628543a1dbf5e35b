import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { pollMs } from '../live.ts'
import { mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { useKeys } from '../ui/keys.ts'
import { AgentLink, CallLink, OperationLink, PolicyLink } from '../ui/page-links.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { EscapedText, VisibleText } from '../ui/visible-text.tsx'
import { humanised, isRecord, moment, operationName, spanOf, useNow } from '../words.ts'
import { DecisionRecord } from '../calls/decision-record.tsx'
import { CarriedGrant } from '../grants/hold-grants.tsx'
import { ArgumentsView } from './arguments-view.tsx'
import { CallsBefore } from './calls-before.tsx'
import { DecisionBar } from './decision-bar.tsx'
import { DecisionSoFar } from './decision-so-far.tsx'
import { type HoldCardData, type HoldContext, type HoldState, holdCardQuery, holdContextQuery, holdStateQuery } from './inbox-data.ts'
import { RuleFigures } from './rule-figures.tsx'
import { useKeptFocus } from './use-kept-focus.ts'

/** Everything that a person needs to decide on one hold, and the decision. */
export function HoldCard({
  id,
  live,
  next,
  together,
}: {
  id: string
  live: boolean
  next: () => void
  together: (ids: readonly string[]) => void
}) {
  const state = useQuery({ ...holdStateQuery(id), refetchInterval: pollMs(live) })
  const digest = state.data?.digest
  const card = useQuery({ ...holdCardQuery(id, digest ?? ''), enabled: digest !== undefined })
  const context = useQuery({ ...holdContextQuery(id), enabled: card.data !== undefined && card.data !== null })
  const element = useKeptFocus(card.data?.id)
  const back = (
    <Link to="/inbox" search className="back">
      {texts.inbox.back}
    </Link>
  )
  if (state.data === null || card.data === null)
    return (
      <div className="empty">
        {back}
        <h2>{texts.hold.gone}</h2>
        <p className="quiet">{texts.hold.goneWhy}</p>
      </div>
    )
  const failed = state.data === undefined ? state : card.data === undefined ? card : undefined
  if (failed?.isError)
    return (
      <div className="card">
        {back}
        <Problem error={failed.error} again={() => void failed.refetch()} />
      </div>
    )
  if (!state.data || !card.data)
    return (
      <div className="card">
        {back}
        <Skeleton lines={16} />
      </div>
    )
  return (
    <article ref={element} className="card" aria-labelledby="hold-title">
      {back}
      <CardHead card={card.data} state={state.data} />
      <Alike state={state.data} together={together} />
      <Who card={card.data} />
      <What card={card.data} />
      <CarriedGrant card={card.data} state={state.data} />
      <Why card={card.data} />
      <Stopped card={card.data} context={context} />
      <DecisionSoFar state={state.data} />
      <Before context={context} />
      <p className="quiet proof">
        {texts.hold.call}{' '}
        <Link to="/calls/$callId" params={{ callId: card.data.callId }}>
          <code>{card.data.callId}</code>
        </Link>{' '}
        · {texts.hold.digest} <code>{card.data.digest}</code>
      </p>
      <DecisionBar card={card.data} state={state.data} offline={state.isError} next={next} />
    </article>
  )
}

function CardHead({ card, state }: { card: HoldCardData; state: HoldState }) {
  const now = useNow(1_000)
  const leftMs = Date.parse(state.expiresAt) - now
  const reversibility = card.about?.reversibility
  return (
    <header className="card-head">
      <p className="quiet">
        <OperationLink id={card.operation} />
      </p>
      <h2 id="hold-title" tabIndex={-1}>
        {card.about?.title ?? humanised(operationName(card.operation))}
      </h2>
      {card.about && <p className="quiet">{card.about.description}</p>}
      <ul className="chips">
        {state.state !== 'open' && <li className="chip chip-strong">{texts.hold.states[state.state]}</li>}
        {reversibility && (
          <li className={reversibility === 'irreversible' ? 'chip chip-bad' : 'chip'}>{texts.hold.reversibility[reversibility]}</li>
        )}
        <li className="chip">{texts.hold.onApproval[card.onApproval]}</li>
        {state.state === 'open' && (
          <li className={leftMs < 900_000 ? 'chip chip-warn' : 'chip'} title={moment(state.expiresAt)}>
            {leftMs > 0 ? `${texts.hold.deadline} ${spanOf(leftMs)}` : texts.hold.expired}
          </li>
        )}
      </ul>
    </header>
  )
}

function Who({ card }: { card: HoldCardData }) {
  const now = useNow(30_000)
  return (
    <dl className="who">
      <div>
        <dt>{texts.hold.asks}</dt>
        <dd>
          <strong>
            <AgentLink name={card.agent} />
          </strong>{' '}
          <span className="quiet">
            {texts.hold.owner} {card.owner}
          </span>
        </dd>
      </div>
      <div>
        <dt>{texts.hold.actsFor}</dt>
        <dd>{card.subject === null ? <span className="quiet">{texts.hold.itself}</span> : <strong>{card.subject}</strong>}</dd>
      </div>
      <div>
        <dt>{texts.hold.asked}</dt>
        <dd>
          <time dateTime={card.createdAt} title={moment(card.createdAt)}>
            {spanOf(now - Date.parse(card.createdAt))} {texts.hold.ago}
          </time>
        </dd>
      </div>
    </dl>
  )
}

function What({ card }: { card: HoldCardData }) {
  const [asJson, setAsJson] = useState(false)
  useKeys({ v: () => setAsJson((before) => !before) })
  return (
    <section className="block" aria-labelledby="hold-what">
      <div className="block-head">
        <h3 id="hold-what">{texts.hold.what}</h3>
        <fieldset className="switch">
          <legend className="hidden">{texts.hold.views}</legend>
          {[false, true].map((json) => (
            <button key={String(json)} type="button" aria-pressed={asJson === json} onClick={() => setAsJson(json)}>
              {json ? texts.hold.json : texts.hold.form}
            </button>
          ))}
        </fieldset>
      </div>
      {card.equalCall && (
        <div className="notice notice-warn">
          <strong>{texts.hold.equal}</strong>
          <p>
            <CallLink id={card.equalCall.id}>{texts.hold.equalWhy(card.equalCall.id, moment(card.equalCall.at))}</CallLink>
          </p>
        </div>
      )}
      {card.edited && (
        <div className="notice notice-warn">
          <strong>{texts.edit.edited(card.edited.by)}</strong>
          {Array.isArray(card.edited.changes) && <p>{texts.edit.editedWhy}</p>}
          {Array.isArray(card.edited.changes) && (
            <ul>
              {card.edited.changes.filter(isRecord).map(({ pointer, from, to }) => (
                <li key={String(pointer)}>
                  <code>{String(pointer)}</code> <VisibleText text={JSON.stringify(from ?? null)} /> →{' '}
                  <VisibleText text={JSON.stringify(to ?? null)} />
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      {card.inputText === null ? (
        <p className="quiet">{texts.hold.hidden}</p>
      ) : asJson ? (
        <pre className="json">{card.inputText}</pre>
      ) : (
        <ArgumentsView value={card.input} schema={card.about?.inputSchema} />
      )}
    </section>
  )
}

function Why({ card }: { card: HoldCardData }) {
  return (
    <section className="block" aria-labelledby="hold-why">
      <h3 id="hold-why">
        {texts.hold.why} <span className="chip chip-warn">{texts.hold.unverified}</span>
      </h3>
      {card.rationale === null ? (
        <p className="quiet">{texts.hold.noReason}</p>
      ) : (
        <blockquote>
          <EscapedText text={card.rationale} />
        </blockquote>
      )}
      {card.decisionRecord && <DecisionRecord attached={card.decisionRecord} level="h4" />}
      <p>
        <Link to="/calls/$callId" params={{ callId: card.callId }} hash="call-account">
          {texts.told.link}
        </Link>
      </p>
    </section>
  )
}

/** Others like this one: they can be decided on side by side. */
function Alike({ state, together }: { state: HoldState; together: (ids: readonly string[]) => void }) {
  const me = useMe()
  const voted = state.votes.some(({ voter }) => voter === me?.name)
  const ids = [...(state.state === 'open' && state.ineligible === null && !voted ? [state.id] : []), ...state.similar.map(({ id }) => id)]
  if (!mayChange(me) || state.similar.length === 0) return null
  return (
    <div className="notice notice-calm alike-notice">
      <span>{texts.together.others(state.similar.length)}</span>
      <button type="button" className="button" aria-keyshortcuts="Shift+A" onClick={() => together(ids)}>
        {texts.together.open(ids.length)}
      </button>
    </div>
  )
}

function Before({ context }: { context: UseQueryResult<HoldContext | null> }) {
  return (
    <section className="block" aria-labelledby="hold-before">
      <h3 id="hold-before">{texts.before.title}</h3>
      {context.data ? (
        <CallsBefore calls={context.data.callsBefore} />
      ) : context.isError ? (
        <Problem error={context.error} again={() => void context.refetch()} />
      ) : (
        <Skeleton lines={3} />
      )}
    </section>
  )
}

function Stopped({ card, context }: { card: HoldCardData; context: UseQueryResult<HoldContext | null> }) {
  return (
    <section className="block" aria-labelledby="hold-stopped">
      <h3 id="hold-stopped">{texts.hold.stopped}</h3>
      <ul className="reasons">
        {card.reasons.map(({ policyId, reason, text, place }) => (
          <li key={policyId}>
            {reason !== null && <p>{reason}</p>}
            {context.isPending && <p className="figures quiet">{texts.figures.loading}</p>}
            {context.data?.figures
              .filter((figures) => figures.policyId === policyId)
              .map((figures) => (
                <RuleFigures key={figures.policyId} figures={figures} />
              ))}
            <details>
              <summary>
                {texts.hold.policyText} <code>{policyId}</code>
              </summary>
              {text === null ? <p className="quiet">{texts.hold.policyChanged}</p> : <pre className="json">{text}</pre>}
              <p className="quiet">
                <PolicyLink id={policyId} /> <code>{place}</code>
              </p>
            </details>
          </li>
        ))}
      </ul>
      {context.data?.figures.some(({ decided }) => decided > 0) && <p className="quiet figures-mean">{texts.figures.means}</p>}
    </section>
  )
}
