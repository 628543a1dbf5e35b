import { texts } from '../texts.ts'
import { VisibleText } from '../ui/visible-text.tsx'
import { moment, spanOf, useNow } from '../words.ts'
import type { HoldState } from './inbox-data.ts'

/** Who has to agree, who has, how many refusals end it, and who is asked when. */
export function DecisionSoFar({ state }: { state: HoldState }) {
  return (
    <section className="block" aria-labelledby="hold-votes">
      <h3 id="hold-votes">{texts.hold.votes}</h3>
      <Seats state={state} />
      {state.denyThreshold > 1 && <p className="quiet">{texts.hold.threshold(state.denyThreshold, state.progress.refusals)}</p>}
      {state.votes.length === 0 ? <p className="quiet">{texts.hold.noVotes}</p> : <Votes state={state} />}
      {state.escalation.length > 0 && <Escalations state={state} />}
    </section>
  )
}

function Seats({ state }: { state: HoldState }) {
  return (
    <ul className="seats">
      {state.progress.seats.map(({ group, filledBy, open }, at) => (
        <li key={group}>
          <span className="seats-who">
            <strong>{group}</strong>
            {(state.requires[at]?.standIns.length ?? 0) > 0 && (
              <span className="quiet"> {texts.hold.orOf(state.requires[at]?.standIns.join(', ') ?? '')}</span>
            )}
          </span>
          <span className={open === 0 ? 'chip chip-strong' : 'chip'}>{texts.hold.seats(filledBy.length, filledBy.length + open)}</span>
          {filledBy.length > 0 && <span className="quiet">{filledBy.join(', ')}</span>}
        </li>
      ))}
    </ul>
  )
}

function Votes({ state }: { state: HoldState }) {
  return (
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
  )
}

/** The clock: what follows while nobody decides. */
function Escalations({ state }: { state: HoldState }) {
  const now = useNow(10_000)
  const open = state.state === 'open'
  return (
    <>
      <h4 className="list-title">{texts.escalation.title}</h4>
      <ol className="escalations">
        {state.escalation.map(({ at, to, notify, opens, happened }) => {
          const inMs = Date.parse(at) - now
          return (
            <li key={`${at} ${to}`} className={happened ? 'escalated' : undefined}>
              <time dateTime={at} title={moment(at)}>
                {happened ? texts.escalation.since(moment(at)) : open && inMs > 0 ? texts.escalation.in(spanOf(inMs)) : moment(at)}
              </time>
              <span>
                {to !== null && (opens.length > 0 ? texts.escalation.opens(to, opens.join(', ')) : texts.escalation.sees(to))}{' '}
                {notify.length > 0 && texts.escalation.notes(notify.join(', '))}
              </span>
            </li>
          )
        })}
        {open && (
          <li>
            <time dateTime={state.expiresAt} title={moment(state.expiresAt)}>
              {texts.escalation.in(spanOf(Date.parse(state.expiresAt) - now))}
            </time>
            <span>{texts.escalation.ends}</span>
          </li>
        )}
      </ol>
    </>
  )
}
