import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type ReactNode, type RefObject, useEffect, useId, useState } from 'react'
import { texts } from '../texts.ts'
import { useNarrow } from '../ui/narrow.ts'
import { moment } from '../words.ts'
import { type CallSearch, DECISIONS, DENY_REASONS, DOORS, SEARCH_KEYS, type SearchKey, SPANS, STATES } from './call-search.ts'
import { knownQuery } from './calls-data.ts'

type Change = (part: CallSearch, replace?: boolean) => void

/** Goes to the same page with another filter. What is null or empty is no filter. */
export function useSearchChange(search: CallSearch): Change {
  const navigate = useNavigate()
  return (part, replace = false) => {
    const next = Object.fromEntries(Object.entries({ ...search, ...part }).filter(([, value]) => value !== undefined && value !== ''))
    void navigate({ to: '/calls', search: next, replace })
  }
}

const BAD_STATES = 'in_doubt,failed,denied,rejected,expired'
const RARE: readonly SearchKey[] = ['connector', 'subject', 'owner', 'policy', 'reason', 'object', 'approver', 'label', 'run', 'door']

/** What is asked for: every filter a labelled control, and the address is the state. */
export function CallFilters({ search, textField }: { search: CallSearch; textField: RefObject<HTMLInputElement | null> }) {
  const change = useSearchChange(search)
  const narrow = useNarrow()
  // On a phone the list comes first: what is asked for stands above it anyway.
  const [wide, setWide] = useState(!narrow && RARE.some((key) => search[key] !== undefined))
  const { data: known } = useQuery(knownQuery)
  const common = { search, change }
  return (
    <search className="call-filters" data-wide={wide} aria-label={texts.calls.filters}>
      <div className="filters">
        <TextFilter search={search} change={change} field={textField} />
        <Choice
          {...common}
          name="state"
          options={[[BAD_STATES, texts.calls.badStates], ...STATES.map((s) => [s, texts.callStates[s] ?? s] as const)]}
        />
        <Choice {...common} name="decision" options={DECISIONS.map((one) => [one, texts.calls.decisions[one] ?? one] as const)} />
        <Typed {...common} name="agent" known={known?.agents.map(({ name }) => name)} />
        <Typed {...common} name="operation" known={known?.operations.map(({ id }) => id)} />
        <TimeFilter {...common} />
        <button type="button" className="button" aria-expanded={wide} onClick={() => setWide(!wide)}>
          {wide ? texts.calls.fewer : texts.calls.more}
        </button>
      </div>
      {wide && (
        <div className="filters">
          <Typed {...common} name="connector" known={known?.connectors.map(({ name }) => name)} />
          <Typed {...common} name="subject" />
          <Typed {...common} name="owner" />
          <Typed {...common} name="policy" known={known?.policies.map(({ id }) => id)} />
          <Choice {...common} name="reason" options={DENY_REASONS.map((one) => [one, texts.calls.reasons[one] ?? one] as const)} />
          <Typed {...common} name="object" hint={texts.calls.objectHint} />
          <Typed {...common} name="approver" />
          <Typed {...common} name="label" />
          <Typed {...common} name="run" />
          <Choice {...common} name="door" options={DOORS.map((one) => [one, texts.calls.doors[one] ?? one] as const)} />
        </div>
      )}
      <Active {...common} />
    </search>
  )
}

function Labelled({ name, children }: { name: SearchKey; children: (id: string) => ReactNode }) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{texts.calls.names[name]}</label>
      {children(id)}
    </div>
  )
}

interface ControlProps {
  search: CallSearch
  change: Change
  name: SearchKey
}

function Choice({ search, change, name, options }: ControlProps & { options: readonly (readonly [string, string])[] }) {
  const value = search[name] ?? ''
  return (
    <Labelled name={name}>
      {(id) => (
        <select id={id} value={value} onChange={(event) => change({ [name]: event.target.value })}>
          <option value="">{texts.calls.any}</option>
          {!options.some(([option]) => option === value) && value !== '' && <option value={value}>{value}</option>}
          {options.map(([option, words]) => (
            <option key={option} value={option}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  )
}

/** Takes effect with Enter, with a choice from the list, or when one leaves it. */
function Typed({ search, change, name, known, hint }: ControlProps & { known?: readonly string[] | undefined; hint?: string }) {
  const value = search[name] ?? ''
  const [words, setWords] = useState(value)
  useEffect(() => setWords(value), [value])
  const list = useId()
  const send = (text: string): void => {
    if (text.trim() !== value) change({ [name]: text.trim() })
  }
  return (
    <Labelled name={name}>
      {(id) => (
        <input
          id={id}
          list={known ? list : undefined}
          value={words}
          placeholder={hint}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => {
            setWords(event.target.value)
            if (known?.includes(event.target.value)) send(event.target.value)
          }}
          onKeyDown={(event) => event.key === 'Enter' && send(words)}
          onBlur={() => send(words)}
        />
      )}
    </Labelled>
  )
}

const TYPING_MS = 350

/** Takes effect when one pauses; while one types, the address before stays the one to go back to. */
function TextFilter({ search, change, field }: { search: CallSearch; change: Change; field: RefObject<HTMLInputElement | null> }) {
  const value = search.q ?? ''
  const [words, setWords] = useState(value)
  useEffect(() => setWords(value), [value])
  useEffect(() => {
    if (words.trim() === value) return
    const timer = setTimeout(() => change({ q: words.trim() }, value !== ''), TYPING_MS)
    return () => clearTimeout(timer)
  })
  return (
    <label className="field call-text">
      {texts.calls.names.q}
      <input
        ref={field}
        type="search"
        value={words}
        maxLength={200}
        placeholder={texts.calls.textHint}
        onChange={(event) => setWords(event.target.value)}
      />
    </label>
  )
}

/** For a field of the browser: the time of this place, to the minute. */
function localTime(iso: string | undefined): string {
  const at = iso === undefined ? Number.NaN : Date.parse(iso)
  if (Number.isNaN(at)) return ''
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

const isoTime = (local: string): string => (local === '' ? '' : new Date(local).toISOString())

function TimeFilter({ search, change }: { search: CallSearch; change: Change }) {
  const { from, to } = search
  const fixed = to !== undefined || (from !== undefined && SPANS[from] === undefined)
  const [choosing, setChoosing] = useState(false)
  const absolute = fixed || choosing
  const [since, until] = [useId(), useId()]
  const choose = (value: string): void => {
    setChoosing(value === 'absolute')
    if (value !== 'absolute') change({ from: value, to: '' })
  }
  return (
    <>
      <Labelled name="from">
        {(id) => (
          <select id={id} value={absolute ? 'absolute' : (from ?? '')} onChange={(event) => choose(event.target.value)}>
            <option value="">{texts.calls.any}</option>
            {Object.keys(SPANS).map((span) => (
              <option key={span} value={span}>
                {texts.calls.spans[span]}
              </option>
            ))}
            <option value="absolute">{texts.calls.absolute}</option>
          </select>
        )}
      </Labelled>
      {absolute && (
        <>
          <div className="field">
            <label htmlFor={since}>{texts.calls.since}</label>
            <input
              id={since}
              type="datetime-local"
              value={localTime(from)}
              onChange={(event) => change({ from: isoTime(event.target.value) })}
            />
          </div>
          <div className="field">
            <label htmlFor={until}>{texts.calls.names.to}</label>
            <input
              id={until}
              type="datetime-local"
              value={localTime(to)}
              onChange={(event) => change({ to: isoTime(event.target.value) })}
            />
          </div>
        </>
      )}
    </>
  )
}

/** What a value of a filter is called. */
function wordsOf(key: SearchKey, value: string): string {
  if (key === 'state')
    return value === BAD_STATES
      ? texts.calls.badStates
      : value
          .split(',')
          .map((s) => texts.callStates[s] ?? s)
          .join(', ')
  if (key === 'decision') return texts.calls.decisions[value] ?? value
  if (key === 'reason') return texts.calls.reasons[value] ?? value
  if (key === 'door') return texts.calls.doors[value] ?? value
  if (key === 'from' || key === 'to') return texts.calls.spans[value] ?? (Number.isNaN(Date.parse(value)) ? value : moment(value))
  return value
}

function Active({ search, change }: { search: CallSearch; change: Change }) {
  const active = SEARCH_KEYS.flatMap((key) => {
    const value = search[key]
    return value === undefined ? [] : [{ key, value }]
  })
  if (active.length === 0) return null
  return (
    <ul className="chips" aria-label={texts.calls.active}>
      {active.map(({ key, value }) => (
        <li key={key}>
          <button type="button" className="chip chip-strong chip-button" onClick={() => change({ [key]: undefined })}>
            <span className="hidden">{texts.calls.without(texts.calls.names[key])}: </span>
            <span aria-hidden="true">{texts.calls.names[key]}: </span>
            {wordsOf(key, value)} <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      <li>
        <button
          type="button"
          className="chip chip-button"
          onClick={() => change(Object.fromEntries(active.map(({ key }) => [key, undefined])))}
        >
          {texts.calls.clear}
        </button>
      </li>
    </ul>
  )
}
