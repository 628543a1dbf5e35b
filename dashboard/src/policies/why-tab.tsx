import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../gateway.ts'
import type { JsonValue } from '../graphql.ts'
import { hasRole, type Me } from '../me.ts'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { isRecord } from '../words.ts'
import { Refusal } from './asking.tsx'
import { askableQuery, EXPLAIN, type Explained } from './policies-data.ts'
import { Ids } from './said.tsx'
import { SourceText } from './source-text.tsx'

const words = texts.policies.why

/** What policy would say to a call that nobody made, and why. */
export function WhyTab({ me }: { me: Me }) {
  const askable = useQuery(askableQuery)
  if (!hasRole(me, 'security', 'auditor', 'operator')) return <p className="notice notice-plain">{words.notForYou}</p>
  if (askable.error) return <Problem error={askable.error} again={() => void askable.refetch()} />
  if (!askable.data) return <Skeleton lines={8} />
  const { agents, operations } = askable.data
  return <Question agents={agents.map(({ name }) => name)} operations={operations} />
}

interface Operation {
  id: string
  inputSchema: JsonValue
}

function Question({ agents, operations }: { agents: readonly string[]; operations: readonly Operation[] }) {
  const [agent, setAgent] = useState(agents[0] ?? '')
  const [operation, setOperation] = useState(operations[0]?.id ?? '')
  const [subject, setSubject] = useState('')
  const [input, setInput] = useState(() => templateOf(operations[0]))
  const parsed = parse(input)
  const explain = useMutation({
    mutationFn: async (of: JsonValue) =>
      (await ask(EXPLAIN, { agent, operation, input: of, subject: subject.trim() === '' ? null : subject.trim() })).explain,
  })
  return (
    <>
      <p className="quiet">{words.how}</p>
      <form
        className="question"
        onSubmit={(event) => {
          event.preventDefault()
          if (parsed !== undefined) explain.mutate(parsed)
        }}
      >
        <Choice label={words.agent} value={agent} choices={agents} choose={setAgent} />
        <Choice
          label={words.operation}
          value={operation}
          choices={operations.map(({ id }) => id)}
          choose={(id) => {
            setOperation(id)
            setInput(templateOf(operations.find((one) => one.id === id)))
          }}
        />
        <label className="field">
          {words.subject}
          <input value={subject} onChange={(event) => setSubject(event.target.value)} autoComplete="off" />
        </label>
        <label className="field question-input">
          {words.input}
          <textarea
            className="mono"
            rows={Math.min(16, input.split('\n').length + 1)}
            spellCheck={false}
            value={input}
            aria-invalid={parsed === undefined}
            onChange={(event) => setInput(event.target.value)}
          />
        </label>
        {parsed === undefined && <p role="alert">{texts.edit.malformed}</p>}
        <button type="submit" className="button button-good run" disabled={parsed === undefined || explain.isPending}>
          {explain.isPending ? texts.policies.working : words.ask}
        </button>
      </form>
      {explain.error && <Refusal error={explain.error} />}
      {explain.data && !explain.isPending && <Answer explained={explain.data} />}
    </>
  )
}

function Choice({
  label,
  value,
  choices,
  choose,
}: {
  label: string
  value: string
  choices: readonly string[]
  choose: (value: string) => void
}) {
  return (
    <label className="field">
      {label}
      <select value={value} onChange={(event) => choose(event.target.value)}>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </select>
    </label>
  )
}

function Answer({ explained }: { explained: Explained }) {
  const { outcome, denyReason, advice, errors, shadow, reasons, nearMisses } = explained
  const tone = outcome === 'permit' ? 'notice notice-good' : outcome === 'hold' ? 'notice notice-warn' : 'notice notice-bad'
  return (
    <section className="block" aria-label={words.answer}>
      <p className={tone} role="status">
        <strong>{words.outcomes[outcome] ?? outcome}</strong>
        {denyReason !== null && `: ${words.reasons[denyReason] ?? denyReason}`}
      </p>
      {advice !== null && (
        <p>
          {words.advice} <VisibleText text={advice} />
        </p>
      )}
      {errors.map((error) => (
        <p key={error} className="notice notice-bad">
          <VisibleText text={error} />
        </p>
      ))}
      {reasons.map(({ policyId, text, place, reason, approval }) => (
        <section key={policyId} className="policy">
          <div className="policy-head">
            <strong className="mono">{policyId}</strong>
            {approval !== null && <span className="chip chip-warn">{texts.policies.active.holds(approval)}</span>}
            {place !== null && <span className="quiet mono">{place}</span>}
          </div>
          {reason !== null && (
            <p>
              <VisibleText text={reason} />
            </p>
          )}
          {text !== null && <SourceText name={`${policyId}.cedar`} text={text} />}
        </section>
      ))}
      {nearMisses !== null && <Near misses={nearMisses} />}
      {shadow.length > 0 && (
        <p className="quiet">
          {words.shadow} <Ids ids={shadow} />
        </p>
      )}
    </section>
  )
}

function Near({ misses }: { misses: NonNullable<Explained['nearMisses']> }) {
  if (misses.length === 0) return <p>{words.noPermit}</p>
  return (
    <>
      <h3>{words.near}</h3>
      {misses.map(({ principal, policyId, place, text, failed }) => (
        <section key={`${principal} ${policyId}`} className="policy">
          <div className="policy-head">
            <strong className="mono">{policyId}</strong>
            <span className="quiet mono">{place}</span>
            <span className="quiet">
              {words.askedAbout} <code>{principal}</code>
            </span>
          </div>
          <ul className="fault-list">
            {failed.map(({ sentence, values }) => (
              <li key={sentence}>
                <span>
                  <VisibleText text={sentence} />
                </span>
                <span className="quiet mono">
                  {Object.entries(isRecord(values as JsonValue) ? (values as { [key: string]: JsonValue }) : {})
                    .map(([path, value]) => `${path}: ${value === null ? texts.policies.changes.absent : JSON.stringify(value)}`)
                    .join(', ')}
                </span>
              </li>
            ))}
          </ul>
          <details>
            <summary>{texts.policies.active.text}</summary>
            <SourceText name={`${policyId}.cedar`} text={text} />
          </details>
        </section>
      ))}
    </>
  )
}

function parse(text: string): { [key: string]: JsonValue } | undefined {
  try {
    const value = JSON.parse(text) as JsonValue
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The arguments that an operation needs, each with the plainest value of its kind. */
function templateOf(operation: Operation | undefined): string {
  const schema = operation?.inputSchema
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : {}
  const required = isRecord(schema) && Array.isArray(schema.required) ? schema.required.map(String) : []
  return JSON.stringify(Object.fromEntries(required.map((name) => [name, plainest(properties[name])])), null, 2)
}

function plainest(schema: JsonValue | undefined): JsonValue {
  if (!isRecord(schema)) return null
  if (Array.isArray(schema.enum)) return schema.enum[0] ?? null
  for (const given of [schema.const, schema.default, schema.example]) if (given !== undefined) return given
  if (Array.isArray(schema.examples) && schema.examples[0] !== undefined) return schema.examples[0]
  const [type] = Array.isArray(schema.type) ? schema.type : [schema.type]
  if (type === 'number' || type === 'integer') return typeof schema.minimum === 'number' ? Math.max(schema.minimum, 1) : 1
  if (type === 'boolean') return false
  if (type === 'array') return []
  return type === 'object' ? {} : ''
}
