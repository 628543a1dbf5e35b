import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ArgumentsView } from '../inbox/arguments-view.tsx'
import { texts } from '../texts.ts'
import { JsonText } from '../ui/json-text.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { When } from '../ui/when.tsx'
import { type CallData, payloadsQuery } from './calls-data.ts'
import { DecisionRecord } from './decision-record.tsx'

/** Arguments and answer. They are loaded when a person says so, since every look is an entry of the record. */
export function CallRequest({ call }: { call: CallData }) {
  const [asked, setAsked] = useState(false)
  const payloads = useQuery({ ...payloadsQuery(call.id, call.updatedAt), enabled: asked })
  return (
    <section className="block" aria-labelledby="call-request">
      <h2 id="call-request">{texts.call.what}</h2>
      {call.rationale !== null && (
        <div className="block">
          <h3>
            {texts.call.why} <span className="chip chip-warn">{texts.hold.unverified}</span>
          </h3>
          <blockquote>
            <VisibleText text={call.rationale} />
          </blockquote>
        </div>
      )}
      {call.erased ? (
        <Erased erased={call.erased} />
      ) : !asked ? (
        <p>
          <button type="button" className="button" onClick={() => setAsked(true)}>
            {texts.call.show}
          </button>{' '}
          <span className="quiet">{texts.call.recorded}</span>
        </p>
      ) : payloads.isError ? (
        <Problem error={payloads.error} again={() => void payloads.refetch()} />
      ) : !payloads.data ? (
        <Skeleton lines={6} />
      ) : payloads.data.inputText === null ? (
        <p className="quiet">{texts.call.hidden}</p>
      ) : (
        <>
          <Arguments value={payloads.data.input} text={payloads.data.inputText} schema={call.about?.inputSchema} />
          {payloads.data.decisionRecord && <DecisionRecord attached={payloads.data.decisionRecord} level="h3" />}
          <Answer call={call} result={payloads.data.result} />
        </>
      )}
    </section>
  )
}

/** Who took away what stood here. */
function Erased({ erased: { at, by, why } }: { erased: NonNullable<CallData['erased']> }) {
  return (
    <div className="notice">
      <p>
        <strong>{texts.call.erased}</strong>{' '}
        {by === 'gatehouse' ? (
          texts.call.erasedByTime
        ) : (
          <>
            {texts.call.erasedBy(by)}. {texts.call.erasedWhy}: <VisibleText text={why} />
          </>
        )}{' '}
        (<When at={at} />)
      </p>
      <p className="quiet">{texts.call.erasedStays}</p>
    </div>
  )
}

type View = Parameters<typeof ArgumentsView>[0]

function Arguments({ value, text, schema }: View & { text: string }) {
  const [asJson, setAsJson] = useState(false)
  return (
    <>
      <div className="block-head">
        <h3>{texts.call.arguments}</h3>
        <fieldset className="switch">
          <legend className="hidden">{texts.hold.views}</legend>
          {[false, true].map((json) => (
            <button key={String(json)} type="button" aria-pressed={asJson === json} onClick={() => setAsJson(json)}>
              {json ? texts.hold.json : texts.hold.form}
            </button>
          ))}
        </fieldset>
      </div>
      {asJson ? <pre className="json">{text}</pre> : <ArgumentsView value={value} schema={schema} />}
    </>
  )
}

interface Result {
  status: number
  body: string
  encoding: string
}

/** A body that is JSON as its value; else as it is. */
function Body({ result: { body, encoding } }: { result: Result }) {
  if (encoding === 'utf8') {
    try {
      return <JsonText value={JSON.parse(body)} />
    } catch {
      // Shown as the text that it is.
    }
  }
  return (
    <pre className="json">
      <VisibleText text={body} />
    </pre>
  )
}

function Answer({ call, result }: { call: CallData; result: Result | null }) {
  return (
    <>
      <h3>
        {texts.call.answer}{' '}
        {result !== null && (
          <span className="quiet">
            {texts.call.status} {result.status}
          </span>
        )}
      </h3>
      {result === null ? (
        <p className="quiet">{call.resultKept === 'too_large' ? texts.call.tooLarge : texts.call.noAnswer}</p>
      ) : (
        <div className="call-answer">
          <Body result={result} />
        </div>
      )}
    </>
  )
}
