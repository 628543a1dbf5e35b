import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useId, useState } from 'react'
import { ask, GatewayProblem } from '../gateway.ts'
import type { JsonValue } from '../graphql.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Problem } from '../ui/problem.tsx'
import { isRecord } from '../words.ts'
import { REGISTER } from './agents-data.ts'

const LINES = ['name', 'owner', 'team', 'region', 'purpose', 'roles', 'clearance'] as const
type Line = (typeof LINES)[number]

const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean)

/** The keys of a JWK set, or of one JWK. A private one is refused here: it does not leave the browser. Throws GatewayProblem. */
function readKeys(text: string): JsonValue[] {
  if (text.trim() === '') return []
  const faulty = (detail: string): GatewayProblem => new GatewayProblem('BAD_INPUT', detail, [{ pointer: '/keys', detail }])
  let value: JsonValue
  try {
    value = JSON.parse(text)
  } catch {
    throw faulty(texts.agents.form.keysMalformed)
  }
  const keys = isRecord(value) && Array.isArray(value.keys) ? value.keys : [value]
  if (keys.some((key) => isRecord(key) && ('d' in key || 'k' in key))) throw faulty(texts.agents.form.keysPrivate)
  return keys
}

/** Proposes an agent: it does not work until somebody else has activated it. */
export function RegisterDialog({ onClose }: { onClose: () => void }) {
  const [values, setValues] = useState<Readonly<Record<Line, string>>>(
    () => Object.fromEntries(LINES.map((line) => [line, ''])) as Record<Line, string>,
  )
  const [autonomy, setAutonomy] = useState('0')
  const [keys, setKeys] = useState('')
  const [working, setWorking] = useState(false)
  const [error, setError] = useState<unknown>()
  const client = useQueryClient()
  const navigate = useNavigate()
  const faults = error instanceof GatewayProblem ? error.faults : []
  const faultOf = (field: string): string | undefined => faults.find(({ pointer }) => pointer.startsWith(`/${field}`))?.detail
  const send = async (): Promise<void> => {
    setWorking(true)
    setError(undefined)
    try {
      const { roles, clearance, ...lines } = values
      const variables = { ...lines, roles: words(roles), clearance: words(clearance), autonomy: Number(autonomy), keys: readKeys(keys) }
      const { registerAgent } = await ask(REGISTER, variables)
      announce(texts.agents.registered(registerAgent.name))
      await client.invalidateQueries({ queryKey: ['agents'] })
      onClose()
      void navigate({ to: '/agents/$name', params: { name: registerAgent.name } })
    } catch (problem) {
      setError(problem)
      setWorking(false)
    }
  }
  return (
    <Dialog title={texts.agents.register} onClose={onClose} wide>
      <form
        className="agent-form"
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <p className="quiet">{texts.agents.form.rules}</p>
        <div className="agent-fields">
          {LINES.map((line) => (
            <LineField
              key={line}
              line={line}
              value={values[line]}
              fault={faultOf(line)}
              onChange={(text) => setValues((before) => ({ ...before, [line]: text }))}
            />
          ))}
          <label className="field">
            {texts.agents.form.autonomy}
            <select value={autonomy} onChange={(event) => setAutonomy(event.target.value)}>
              {['0', '1', '2', '3', '4', '5'].map((level) => (
                <option key={level}>{level}</option>
              ))}
            </select>
          </label>
        </div>
        <div className="field">
          <label htmlFor="agent-keys">{texts.agents.form.keys}</label>
          <textarea
            id="agent-keys"
            className="mono"
            rows={3}
            value={keys}
            onChange={(event) => setKeys(event.target.value)}
            aria-invalid={faultOf('keys') !== undefined}
            aria-describedby="agent-keys-hint"
          />
          <span id="agent-keys-hint" className={faultOf('keys') === undefined ? 'agent-hint' : 'agent-hint agent-fault'}>
            {faultOf('keys') ?? texts.agents.form.keysHint}
          </span>
        </div>
        {error !== undefined && faults.length === 0 && <Problem error={error} />}
        {faults.length > 0 && (
          <p className="notice notice-bad" role="alert">
            {texts.agents.form.faults(faults.length)}
          </p>
        )}
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {texts.decide.cancel}
          </button>
          <button type="submit" className="button button-good" disabled={working}>
            {working ? texts.decide.working : texts.agents.register}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function LineField({
  line,
  value,
  fault,
  onChange,
}: {
  line: Line
  value: string
  fault: string | undefined
  onChange: (text: string) => void
}) {
  const { label, hint } = texts.agents.form.fields[line]
  const field = useId()
  return (
    <div className={line === 'purpose' ? 'field agent-wide' : 'field'}>
      <label htmlFor={field}>{label}</label>
      <input
        id={field}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        required={line !== 'roles' && line !== 'clearance'}
        aria-invalid={fault !== undefined}
        aria-describedby={`${field}-hint`}
        autoComplete="off"
        spellCheck={line === 'purpose'}
      />
      <span id={`${field}-hint`} className={fault === undefined ? 'agent-hint' : 'agent-hint agent-fault'}>
        {fault ?? hint}
      </span>
    </div>
  )
}
