import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { pollMs } from '../live.ts'
import { texts } from '../texts.ts'
import { useKeys } from '../ui/keys.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { EscapedText, VisibleText } from '../ui/visible-text.tsx'
import { humanised, isRecord, moment, operationName, spanOf, useNow } from '../words.ts'
import { ArgumentsView } from './arguments-view.tsx'
import { DecisionBar } from './decision-bar.tsx'
import { type HoldCardData, type HoldState, holdCardQuery, holdStateQuery } from './inbox-data.ts'

/** Everything that a person needs to decide on one hold, and the decision. */
export function HoldCard({ id, live, next }: { id: string; live: boolean; next: () => void }) {
  const state = useQuery({ ...holdStateQuery(id), refetchInterval: pollMs(live) })
  const digest = state.data?.digest
  const card = useQuery({ ...holdCardQuery(id, digest ?? ''), enabled: digest !== undefined })
  const back = (
    <Link to="/inbox" className="back">
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
    <article className="card" aria-labelledby="hold-title">
      {back}
      <CardHead card={card.data} state={state.data} />
      <Who card={card.data} />
      <What card={card.data} />
      <Why card={card.data} />
      <Stopped card={card.data} />
      <Votes state={state.data} />
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
        <code>{card.operation}</code>
      </p>
      <h2 id="hold-title">{card.about?.title ?? humanised(operationName(card.operation))}</h2>
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
        {state.state === 'open' &&
          state.escalation.flatMap(({ at, to }) => {
            const inMs = Date.parse(at) - now
            if (to === null) return []
            return [
              <li key={`${at} ${to}`} className="chip" title={moment(at)}>
                {inMs > 0 ? texts.escalation.asks(to, spanOf(inMs)) : texts.escalation.asked(to)}
              </li>,
            ]
          })}
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
          <strong>{card.agent}</strong>{' '}
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
          <p>{texts.hold.equalWhy(card.equalCall.id, moment(card.equalCall.at))}</p>
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
    </section>
  )
}

function Stopped({ card }: { card: HoldCardData }) {
  return (
    <section className="block" aria-labelledby="hold-stopped">
      <h3 id="hold-stopped">{texts.hold.stopped}</h3>
      <ul className="reasons">
        {card.reasons.map(({ policyId, reason, text, place }) => (
          <li key={policyId}>
            {reason !== null && <p>{reason}</p>}
            <details>
              <summary>
                {texts.hold.policyText} <code>{policyId}</code>
              </summary>
              {text === null ? <p className="quiet">{texts.hold.policyChanged}</p> : <pre className="json">{text}</pre>}
              {place !== null && (
                <p className="quiet">
                  <code>{place}</code>
                </p>
              )}
            </details>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Votes({ state }: { state: HoldState }) {
  return (
    <section className="block" aria-labelledby="hold-votes">
      <h3 id="hold-votes">
        {texts.hold.votes}{' '}
        <span className="quiet">{state.requires.map(({ group, count }) => texts.hold.needs(count, group)).join(' + ')}</span>
      </h3>
      {state.votes.length === 0 ? (
        <p className="quiet">{texts.hold.noVotes}</p>
      ) : (
        <ul className="votes">
          {state.votes.map(({ voter, verdict, comment, at }) => (
            <li key={voter}>
              <strong>{voter}</strong> {verdict === 'approve' ? texts.hold.approved : texts.hold.refused}{' '}
              <time className="quiet" dateTime={at}>
                {moment(at)}
              </time>
              {comment !== null && (
                <blockquote>
                  <VisibleText text={comment} />
                </blockquote>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
