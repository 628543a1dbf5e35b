import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { SourceText } from '../policies/source-text.tsx'
import { texts } from '../texts.ts'
import { JsonText } from '../ui/json-text.tsx'
import { PolicyLink, PolicyLinks } from '../ui/page-links.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { type CallData, factsQuery, whyNotQuery } from './calls-data.ts'

/** What policy said, with the words of the policies that said so. */
export function CallDecision({ call }: { call: CallData }) {
  const { decision } = call
  if (!decision) return null
  const { outcome, denyReason, reasons, advice, errors, shadow, policySet } = decision
  return (
    <section className="block" aria-labelledby="call-decision">
      <h2 id="call-decision">{texts.call.decision}</h2>
      <p>
        <strong>{texts.call.verdict[outcome]}</strong>
        {denyReason !== null && <> {texts.call.denied[denyReason]}</>}
      </p>
      {call.grant && (
        <p>
          {texts.call.granted(call.grant.givers)} <Link to="/grants">{texts.call.grants}</Link>
        </p>
      )}
      {advice !== null && !call.grant && (
        <p>
          {texts.call.advice}: <q>{advice}</q>
        </p>
      )}
      {reasons.length === 0 && denyReason !== 'no_permit' && <p className="quiet">{texts.call.noPolicies}</p>}
      <ul className="reasons">
        {reasons.map(({ policyId, reason, text, place }) => (
          <li key={policyId} className="reason">
            <p className="block-head">
              <PolicyLink id={policyId} />
              {place !== null && <code className="quiet">{place}</code>}
            </p>
            {reason !== null && <p>{reason}</p>}
            {text === null ? <p className="quiet">{texts.call.noText}</p> : <SourceText name={`${policyId}.cedar`} text={text} />}
          </li>
        ))}
      </ul>
      {errors.length > 0 && (
        <>
          <h3>{texts.call.errors}</h3>
          <ul>
            {errors.map((error) => (
              <li key={error}>
                <VisibleText text={error} />
              </li>
            ))}
          </ul>
        </>
      )}
      {denyReason === 'no_permit' && <WhyNot id={call.id} />}
      {shadow.length > 0 && (
        <p>
          {texts.call.shadow}: <PolicyLinks ids={shadow} />
        </p>
      )}
      <Asked call={call} />
      <p className="quiet proof">
        {texts.call.policySet} <code>{policySet}</code> · {decision.engine}
      </p>
    </section>
  )
}

/** Each permit that came near, and what of it did not hold. */
function WhyNot({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useQuery(whyNotQuery(id))
  if (isPending) return <Skeleton lines={3} />
  if (data === undefined) return <Problem error={error} again={() => void refetch()} />
  return (
    <div className="block">
      <h3>{texts.call.whyNot}</h3>
      {data === null || data.length === 0 ? (
        <p className="quiet">{texts.call.noNear}</p>
      ) : (
        <ul className="reasons">
          {data.map(({ principal, policyId, text, failed, place }) => (
            <li key={`${principal} ${policyId}`} className="reason">
              <p>{texts.call.nearMiss(policyId)}</p>
              <ul className="near">
                {failed.map(({ sentence }) => (
                  <li key={sentence}>
                    <Sentence text={sentence} />
                  </li>
                ))}
              </ul>
              <details>
                <summary>
                  {texts.hold.policyText} <code>{place}</code>
                </summary>
                <SourceText name={`${policyId}.cedar`} text={text} />
              </details>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** A sentence whose code stands between backticks. */
const Sentence = ({ text }: { text: string }) => (
  <>
    {text.split('`').map((part, index) => {
      const key = `${index}`
      return index % 2 === 0 ? <span key={key}>{part}</span> : <code key={key}>{part}</code>
    })}
  </>
)

/** What the engine was asked, on demand: it has arguments and facts in it. */
function Asked({ call }: { call: CallData }) {
  const [asked, setAsked] = useState(false)
  const { data, isFetching, error } = useQuery({ ...factsQuery(call.id, call.updatedAt), enabled: asked })
  if (call.erased) return null
  if (!asked)
    return (
      <p>
        <button type="button" className="button" onClick={() => setAsked(true)}>
          {texts.call.facts}
        </button>{' '}
        <span className="quiet">{texts.call.recorded}</span>
      </p>
    )
  if (error) return <Problem error={error} />
  if (isFetching || data === undefined) return <Skeleton lines={5} />
  if (data === null) return <p className="quiet">{texts.call.noFacts}</p>
  return <JsonText value={data} />
}
