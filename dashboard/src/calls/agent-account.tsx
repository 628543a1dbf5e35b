import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { When } from '../ui/when.tsx'
import './account.css'
import { type AccountData, type AccountSpan, accountQuery } from './account-data.ts'
import type { CallData } from './calls-data.ts'

/** What models were asked and answered before the call, by the agent's own word. Loaded when a person says so, since every look is an entry of the record. */
export function AgentAccount({ call: { id, trace } }: { call: CallData }) {
  const [asked, setAsked] = useState(false)
  const account = useQuery({ ...accountQuery(id), enabled: asked })
  if (trace === null) return null
  return (
    <section className="block" aria-labelledby="call-account">
      <h2 id="call-account">
        {texts.told.title} <span className="chip chip-warn">{texts.hold.unverified}</span>
      </h2>
      <p className="quiet">{texts.told.own}</p>
      {!asked ? (
        <p>
          <button type="button" className="button" onClick={() => setAsked(true)}>
            {texts.told.show}
          </button>{' '}
          <span className="quiet">{texts.call.recorded}</span>
        </p>
      ) : account.isError ? (
        <Problem error={account.error} again={() => void account.refetch()} />
      ) : account.data === undefined ? (
        <Skeleton lines={8} />
      ) : account.data === null ? (
        <>
          <p role="status">{texts.told.none}</p>
          <button type="button" className="button" disabled={account.isFetching} onClick={() => void account.refetch()}>
            {texts.told.again}
          </button>
        </>
      ) : (
        <Told account={account.data} />
      )}
    </section>
  )
}

function Told({ account: { spans, truncated, masked, erased } }: { account: AccountData }) {
  const before = spans.filter((span) => span.beforeCall)
  const after = spans.filter((span) => !span.beforeCall)
  return (
    <>
      {erased && <p className="notice">{texts.told.erased}</p>}
      {truncated && <p className="notice notice-warn">{texts.told.truncated}</p>}
      {masked.length > 0 && <p className="quiet">{texts.told.masked(masked.map((found) => texts.told.findings[found] ?? found))}</p>}
      {before.length > 0 && <Spans spans={before} label={texts.told.title} />}
      {before.length === 0 && !erased && <p>{texts.told.nothingBefore}</p>}
      {after.length > 0 && (
        <details>
          <summary>{texts.told.after(after.length)}</summary>
          <Spans spans={after} label={texts.told.afterwards} />
        </details>
      )}
    </>
  )
}

const Spans = ({ spans, label }: { spans: readonly AccountSpan[]; label: string }) => (
  <ol className="agent-account" aria-label={label}>
    {spans.map((span) => (
      <li key={span.id}>
        <Span span={span} />
      </li>
    ))}
  </ol>
)

function Span({ span }: { span: AccountSpan }) {
  const { name, model, provider, startedAt, status, error, messages, tool, inputTokens, outputTokens, finishReasons } = span
  const by = [model, provider].filter((part) => part !== null).join(' · ')
  const facts = [
    ...(inputTokens === null && outputTokens === null ? [] : [texts.told.tokens(inputTokens, outputTokens)]),
    ...(finishReasons.length === 0 ? [] : [texts.told.ended(finishReasons.join(', '))]),
  ]
  return (
    <>
      <h3>
        <VisibleText text={name} /> {status === 'error' && <span className="chip chip-bad">{texts.told.failed}</span>}
      </h3>
      <p className="quiet">
        <When at={startedAt} />
        {by !== '' && (
          <>
            {' · '}
            <VisibleText text={by} />
          </>
        )}
        {facts.length > 0 && (
          <>
            {' · '}
            <VisibleText text={facts.join(' · ')} />
          </>
        )}
      </p>
      {error !== null && (
        <p className="notice notice-bad">
          <VisibleText text={error} />
        </p>
      )}
      {(messages.length > 0 || tool) && (
        <dl className="agent-said">
          {messages.map(({ side, role, text, tool: called }, index) => (
            <Said key={`${side} ${String(index)}`} who={called === null ? roleOf(role) : texts.told.tool(role, called)} text={text} />
          ))}
          {tool?.arguments != null && <Said who={texts.told.ran(tool.name)} text={tool.arguments} />}
          {tool?.result != null && <Said who={texts.told.gave(tool.name)} text={tool.result} />}
        </dl>
      )}
    </>
  )
}

const roleOf = (role: string): string => texts.told.roles[role] ?? role

const LONG = 600

/** A long text is folded: people look for what led to the call, and prompts repeat themselves. */
function Said({ who, text }: { who: string; text: string }) {
  const [whole, setWhole] = useState(text.length <= LONG)
  return (
    <div>
      <dt>
        <VisibleText text={who} />
      </dt>
      <dd>
        <VisibleText text={whole ? text : text.slice(0, LONG)} />
        {!whole && (
          <>
            {'… '}
            <button type="button" className="button" onClick={() => setWhole(true)}>
              {texts.told.whole}
            </button>
          </>
        )}
      </dd>
    </div>
  )
}
