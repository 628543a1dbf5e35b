import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask, GatewayProblem } from '../gateway.ts'
import type { JsonValue } from '../graphql.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Dialog } from '../ui/dialog.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { humanised, isRecord } from '../words.ts'
import { type Difference, differences } from './difference.ts'
import { EDIT, type HoldCardData } from './inbox-data.ts'

type Arguments = { [key: string]: JsonValue }

/** Other arguments in the place of the agent's: as a form or as JSON, with every difference shown before it is sent. */
export function EditDialog({
  card,
  input,
  onClose,
  onDone,
}: {
  card: HoldCardData
  input: Arguments
  onClose: () => void
  onDone: (id: string) => void
}) {
  const [text, setText] = useState(() => JSON.stringify(input, null, 2))
  const [asJson, setAsJson] = useState(false)
  const [comment, setComment] = useState('')
  const client = useQueryClient()
  const edit = useMutation({
    mutationFn: async (to: Arguments) =>
      (await ask(EDIT, { id: card.id, input: to, comment: comment.trim() === '' ? null : comment })).editHold,
    onSuccess: (hold) => {
      announce(texts.edit.done)
      onDone(hold.id)
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['inbox'] }),
  })
  const draft = read(text)
  const changed = draft ? differences(input, draft) : []
  return (
    <Dialog title={texts.edit.title} onClose={onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (draft && changed.length > 0) edit.mutate(draft)
        }}
      >
        <p className="quiet">{texts.edit.rules}</p>
        <fieldset className="switch switch-start">
          <legend className="hidden">{texts.hold.views}</legend>
          {[false, true].map((json) => (
            <button key={String(json)} type="button" aria-pressed={asJson === json} disabled={!draft} onClick={() => setAsJson(json)}>
              {json ? texts.hold.json : texts.hold.form}
            </button>
          ))}
        </fieldset>
        {asJson || !draft ? (
          <label className="field">
            {texts.edit.json}
            <textarea className="mono" rows={12} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
          </label>
        ) : (
          <Fields draft={draft} schema={card.about?.inputSchema ?? null} onChange={(next) => setText(JSON.stringify(next, null, 2))} />
        )}
        {draft ? <Changes changed={changed} /> : <p role="alert">{texts.edit.malformed}</p>}
        <label className="field">
          {texts.edit.comment}
          <textarea rows={2} maxLength={2_000} value={comment} onChange={(event) => setComment(event.target.value)} />
        </label>
        {edit.error && <Refused error={edit.error} />}
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {texts.decide.cancel}
          </button>
          <button type="submit" className="button button-good" disabled={edit.isPending || changed.length === 0}>
            {edit.isPending ? texts.decide.working : texts.edit.send}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function read(text: string): Arguments | undefined {
  try {
    const value = JSON.parse(text) as JsonValue
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function Fields({ draft, schema, onChange }: { draft: Arguments; schema: JsonValue; onChange: (next: Arguments) => void }) {
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : {}
  return Object.entries(draft).map(([key, value]) => (
    <Field key={key} name={key} value={value} schema={properties[key]} onChange={(next) => onChange({ ...draft, [key]: next })} />
  ))
}

interface FieldProps {
  name: string
  value: JsonValue
  schema: JsonValue | undefined
  onChange: (next: JsonValue) => void
}

/** One argument. What is neither text, number nor yes and no is changed as JSON. */
function Field({ name, value, schema, onChange }: FieldProps) {
  const [number, setNumber] = useState(String(value))
  const title = isRecord(schema) && typeof schema.title === 'string' ? schema.title : humanised(name)
  const choices = isRecord(schema) && Array.isArray(schema.enum) ? schema.enum : typeof value === 'boolean' ? [true, false] : undefined
  if (choices)
    return (
      <label className="field">
        {title}
        <select value={JSON.stringify(value)} onChange={(event) => onChange(JSON.parse(event.target.value) as JsonValue)}>
          {choices.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {String(choice)}
            </option>
          ))}
        </select>
      </label>
    )
  if (typeof value === 'string')
    return (
      <label className="field">
        {title}
        <textarea
          rows={value.length > 70 || value.includes('\n') ? 4 : 1}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      </label>
    )
  if (typeof value === 'number')
    return (
      <label className="field">
        {title}
        <input
          inputMode="decimal"
          value={number}
          onChange={(event) => {
            setNumber(event.target.value)
            if (/^-?\d+(\.\d+)?$/.test(event.target.value)) onChange(Number(event.target.value))
          }}
          aria-invalid={!/^-?\d+(\.\d+)?$/.test(number)}
        />
      </label>
    )
  return (
    <p className="field">
      {title} <code>{JSON.stringify(value)}</code> {texts.edit.inJson}
    </p>
  )
}

function Changes({ changed }: { changed: readonly Difference[] }) {
  return (
    <section className="changes" aria-label={texts.edit.changes} aria-live="polite">
      <h3>{texts.edit.changes}</h3>
      {changed.length === 0 ? (
        <p className="quiet">{texts.edit.none}</p>
      ) : (
        <ul>
          {changed.map(({ pointer, from, to }) => (
            <li key={pointer}>
              <code>{pointer}</code> <Side value={from} gone /> → <Side value={to} />
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Side({ value, gone = false }: { value: JsonValue | undefined; gone?: boolean }) {
  if (value === undefined) return <span className="quiet">{texts.edit.nothing}</span>
  const text = <VisibleText text={typeof value === 'string' ? value : JSON.stringify(value)} />
  return gone ? <del>{text}</del> : <ins>{text}</ins>
}

function Refused({ error }: { error: Error }) {
  const faults = error instanceof GatewayProblem ? error.faults : []
  return (
    <div className="notice notice-bad" role="alert">
      <p>{error.message}</p>
      <ul>
        {faults.map(({ pointer, detail }) => (
          <li key={`${pointer} ${detail}`}>
            <code>{pointer}</code> {detail}
          </li>
        ))}
      </ul>
    </div>
  )
}
