import { useState } from 'react'
import { ask } from '../gateway.ts'
import type { JsonValue, VariablesOf } from '../graphql.ts'
import type { HoldCardData } from '../inbox/inbox-data.ts'
import { texts } from '../texts.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Problem } from '../ui/problem.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { moment } from '../words.ts'
import { GIVE, type StandingAllowed } from './grants-data.ts'
import { type Leaf, leavesOf, shownPointer } from './leaves.ts'
import './grants.css'

const words = texts.grants.give

type Choice = { kind: 'exactly' } | { kind: 'any' } | { kind: 'at_most'; most: string } | { kind: 'one_of'; values: string }

const PINNED: Choice = { kind: 'exactly' }

/** Half of what is allowed: who wants more says so. */
const half = (most: string): string => String(Math.max(Math.floor((Number(most) / 2) * 100) / 100, 0.01))

/** The local date-time that an input of the browser takes. */
const localInput = (ms: number): string => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)

const isPinned = (pointer: string, pinned: readonly string[]): boolean =>
  pinned.some((pin) => `${pin}/`.startsWith(`${pointer}/`) || `${pointer}/`.startsWith(`${pin}/`))

/** Values of a list, one a line: JSON where a line is JSON of the same kind as the held value, text else. */
function listed(text: string, like: JsonValue): JsonValue[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      if (typeof like === 'string') return line
      try {
        return JSON.parse(line) as JsonValue
      } catch {
        return line
      }
    })
}

/** Approves a hold and says which further calls pass without asking. Says in a sentence what that will be. */
export function StandingDialog({
  card,
  allowed,
  onClose,
  onDone,
}: {
  card: HoldCardData
  allowed: StandingAllowed
  onClose: () => void
  onDone: (hold: { id: string; state: string }) => void
}) {
  const leaves = leavesOf(card.input)
  const [choices, setChoices] = useState<Readonly<Record<string, Choice>>>({})
  const [uses, setUses] = useState(Math.max(1, Math.floor(allowed.maxUses / 2)))
  const [totals, setTotals] = useState(() =>
    allowed.totals.map(({ of, most }) => ({ of, most: half(most), limit: most.replace(/\.0$/, '') })),
  )
  const [openedAt] = useState(Date.now)
  const latest = openedAt + allowed.lifeSeconds * 1_000
  const [until, setUntil] = useState(localInput(openedAt + allowed.lifeSeconds * 500))
  const [comment, setComment] = useState('')
  const [working, setWorking] = useState(false)
  const [error, setError] = useState<unknown>()
  const choiceOf = (pointer: string): Choice => choices[pointer] ?? PINNED
  const send = async (): Promise<void> => {
    setWorking(true)
    setError(undefined)
    const loosened = leaves.flatMap(({ pointer, value }): VariablesOf<typeof GIVE>['standing']['loosened'] => {
      const choice = choiceOf(pointer)
      if (choice.kind === 'exactly') return []
      if (choice.kind === 'one_of') return [{ pointer, kind: choice.kind, values: listed(choice.values, value) }]
      return [{ pointer, ...choice }]
    })
    const standing = { loosened, maxUses: uses, totals: totals.map(({ of, most }) => ({ of, most })), until: new Date(until).toISOString() }
    try {
      const answer = await ask(GIVE, { id: card.id, digest: card.digest, standing, comment: comment.trim() === '' ? null : comment.trim() })
      onDone(answer.giveStanding)
    } catch (problem) {
      setError(problem)
      setWorking(false)
    }
  }
  return (
    <Dialog title={words.title} onClose={onClose} wide>
      <form
        className="grant-form"
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <p className="quiet">{words.intro}</p>
        <fieldset className="grant-arguments">
          <legend>{words.arguments}</legend>
          {leaves.map((leaf) => (
            <Argument
              key={leaf.pointer}
              leaf={leaf}
              choice={choiceOf(leaf.pointer)}
              pinned={isPinned(leaf.pointer, allowed.pinned)}
              choose={(choice) => setChoices({ ...choices, [leaf.pointer]: choice })}
            />
          ))}
        </fieldset>
        <Bounds
          allowed={allowed}
          uses={uses}
          setUses={setUses}
          totals={totals}
          setTotals={setTotals}
          until={until}
          setUntil={setUntil}
          latest={latest}
        />
        <p className="notice notice-warn" aria-live="polite">
          {words.sentence(
            card.agent,
            card.subject,
            card.operation,
            Number.isFinite(uses) ? uses : 0,
            totals.map(({ of, most }) => words.upTo(shownPointer(of), most)).join(words.and),
            until === '' ? '…' : moment(new Date(until).toISOString()),
            leaves.flatMap(({ pointer }) => {
              const choice = choiceOf(pointer)
              return choice.kind === 'exactly'
                ? []
                : [words.loosened[choice.kind](shownPointer(pointer), choice.kind === 'at_most' ? choice.most : '')]
            }),
          )}
        </p>
        <label className="field">
          {texts.decide.comment}
          <textarea rows={2} maxLength={2_000} value={comment} onChange={(event) => setComment(event.target.value)} />
        </label>
        {error !== undefined && <Problem error={error} title={texts.problem.notDone} />}
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {texts.decide.cancel}
          </button>
          <button type="submit" className="button button-good" disabled={working}>
            {working ? texts.decide.working : words.action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

interface Total {
  of: string
  most: string
  limit: string
}

/** How often, how much and how long. */
function Bounds({
  allowed,
  uses,
  setUses,
  totals,
  setTotals,
  until,
  setUntil,
  latest,
}: {
  allowed: StandingAllowed
  uses: number
  setUses: (uses: number) => void
  totals: readonly Total[]
  setTotals: (totals: Total[]) => void
  until: string
  setUntil: (until: string) => void
  latest: number
}) {
  return (
    <div className="grant-bounds">
      <label className="field">
        {words.uses(allowed.maxUses)}
        <input
          type="number"
          min={1}
          max={allowed.maxUses}
          required
          value={uses}
          onChange={(event) => setUses(event.target.valueAsNumber)}
        />
      </label>
      {totals.map(({ of, most, limit }) => (
        <label key={of} className="field">
          {words.total(shownPointer(of), limit)}
          <input
            inputMode="decimal"
            required
            pattern="[0-9]+([.][0-9]{1,4})?"
            value={most}
            onChange={(event) => setTotals(totals.map((one) => (one.of === of ? { ...one, most: event.target.value } : one)))}
          />
        </label>
      ))}
      <label className="field">
        {words.until(moment(new Date(latest).toISOString()))}
        <input type="datetime-local" required max={localInput(latest)} value={until} onChange={(event) => setUntil(event.target.value)} />
      </label>
    </div>
  )
}

function Argument({
  leaf: { pointer, value },
  choice,
  pinned,
  choose,
}: {
  leaf: Leaf
  choice: Choice
  pinned: boolean
  choose: (choice: Choice) => void
}) {
  const name = shownPointer(pointer)
  const pick = (kind: string): void => {
    if (kind === 'at_most') choose({ kind, most: String(value) })
    else if (kind === 'one_of') choose({ kind, values: typeof value === 'string' ? value : JSON.stringify(value) })
    else choose(kind === 'any' ? { kind: 'any' } : PINNED)
  }
  return (
    <div className="grant-argument">
      <span className="grant-name">{name}</span>
      <span className="grant-value">
        <VisibleText text={typeof value === 'string' ? value : JSON.stringify(value)} />
      </span>
      {pinned ? (
        <span className="quiet">{words.pinned}</span>
      ) : (
        <select aria-label={words.passes(name)} value={choice.kind} onChange={(event) => pick(event.target.value)}>
          <option value="exactly">{words.kinds.exactly}</option>
          {typeof value === 'number' && value > 0 && <option value="at_most">{words.kinds.at_most}</option>}
          <option value="one_of">{words.kinds.one_of}</option>
          <option value="any">{words.kinds.any}</option>
        </select>
      )}
      {choice.kind === 'at_most' && (
        <input
          aria-label={words.most(name)}
          inputMode="decimal"
          required
          pattern="[0-9]+([.][0-9]{1,4})?"
          value={choice.most}
          onChange={(event) => choose({ kind: 'at_most', most: event.target.value })}
        />
      )}
      {choice.kind === 'one_of' && (
        <textarea
          aria-label={words.values(name)}
          rows={3}
          required
          value={choice.values}
          onChange={(event) => choose({ kind: 'one_of', values: event.target.value })}
        />
      )}
    </div>
  )
}
