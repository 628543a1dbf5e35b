import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useMemo, useState } from 'react'
import { ask } from '../gateway.ts'
import { hasRole, type Me, mayChange } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { type Asking, useAsking } from './asking.tsx'
import type { Jump, Mark } from './cedar-editor.tsx'
import { ChangesPanel } from './changes-panel.tsx'
import { CheckPanel, placeOf } from './check-panel.tsx'
import { changedIn, inputOf, namesOf, testsOf } from './draft.ts'
import { FileList } from './file-list.tsx'
import { PastPanel } from './past-panel.tsx'
import { CHECK, type Check, PROPOSE } from './policies-data.ts'
import { TextPanel } from './text-panel.tsx'
import { type EditedDraft, useDraft } from './use-draft.ts'

const words = texts.policies.draft

const CedarEditor = lazy(async () => ({ default: (await import('./cedar-editor.tsx')).CedarEditor }))

/** Where policies are written: nothing binds, and nothing leaves this browser until it is proposed. */
export function DraftTab({ me }: { me: Me }) {
  const { edited, error, again } = useDraft(me.name)
  if (error) return <Problem error={error} again={again} />
  if (!edited) return <Skeleton lines={16} />
  return <Workplace me={me} edited={edited} />
}

function Workplace({ me, edited }: { me: Me; edited: EditedDraft }) {
  const { draft, of, generation } = edited
  const names = namesOf(draft.texts)
  const [wanted, setWanted] = useState('')
  const [jump, setJump] = useState<Jump>()
  const name = names.includes(wanted) ? wanted : (names[0] ?? '')
  const checking = useAsking(
    of,
    false,
    async () => (await ask(CHECK, { draft: inputOf(draft.texts), tests: testsOf(draft.texts) })).checkPolicies,
  )
  const marks = useMemo(() => marksIn(checking.answer, name), [checking.answer, name])
  const open = (file: string): void => {
    setJump(undefined)
    setWanted(file)
  }
  const go = (place: string): void => {
    const { file, line, column } = placeOf(place)
    if (!names.includes(file)) return
    setWanted(file)
    setJump({ line, column })
  }
  return (
    <>
      <Standing edited={edited} />
      <div className="workplace">
        <FileList edited={edited} name={name} open={open} faulty={faultyFiles(checking.answer)} />
        <section className="writing" aria-label={name}>
          <Suspense fallback={<Skeleton lines={10} />}>
            <CedarEditor
              key={`${draft.base} ${generation} ${name}`}
              name={name}
              text={draft.texts[name] ?? ''}
              label={words.editor(name)}
              marks={marks}
              jump={jump}
              onChange={(text) => edited.edit({ ...draft.texts, [name]: text })}
              onRun={checking.run}
            />
          </Suspense>
          <p className="quiet hint-line">{words.keys}</p>
        </section>
      </div>
      <Questions me={me} edited={edited} checking={checking} go={go} />
    </>
  )
}

/** What the draft is built upon, and what to do where that is no longer what binds. */
function Standing({ edited }: { edited: EditedDraft }) {
  const { draft, active, kept, conflicts, rebase, reset } = edited
  const changed = changedIn(draft.baseTexts, draft.texts)
  return (
    <>
      <div className="standing">
        <p className="quiet">
          {words.base} <code title={draft.base}>{draft.base.slice(0, 12)}</code>.{' '}
          {changed.length === 0 ? words.untouched : words.changed(changed.length)}
        </p>
        {(changed.length > 0 || draft.base !== active) && (
          <button type="button" className="button button-quiet" onClick={reset}>
            {words.reset}
          </button>
        )}
      </div>
      {!kept && <p className="notice notice-warn">{words.notKept}</p>}
      {draft.base !== active && (
        <div className="notice notice-warn">
          <strong>{words.stale}</strong>
          <p>{words.staleWhy}</p>
          <button type="button" className="button" onClick={rebase}>
            {words.rebase}
          </button>
        </div>
      )}
      {conflicts.length > 0 && (
        <p className="notice notice-warn" role="status">
          {words.conflicts(conflicts.join(', '))}
        </p>
      )}
    </>
  )
}

const VIEWS = ['check', 'changes', 'past', 'text'] as const
type View = (typeof VIEWS)[number]

interface QuestionsProps {
  me: Me
  edited: EditedDraft
  checking: Asking<Check>
  go: (place: string) => void
}

/** What can be asked of a draft. The answers stay while one looks at another. */
function Questions({ me, edited, checking, go }: QuestionsProps) {
  const { draft, of, active, activeTexts } = edited
  const [view, setView] = useState<View>('check')
  return (
    <section className="questions" aria-labelledby="questions-title">
      <h2 id="questions-title" className="hidden">
        {words.questions}
      </h2>
      <div className="questions-head">
        <fieldset className="switch">
          <legend className="hidden">{words.questions}</legend>
          {VIEWS.map((each) => (
            <button key={each} type="button" aria-pressed={view === each} onClick={() => setView(each)}>
              {words.views[each]}
            </button>
          ))}
        </fieldset>
        <span className="chips">
          <button
            type="button"
            className="button"
            onClick={() => {
              setView('check')
              checking.run()
            }}
            disabled={checking.running}
          >
            {checking.running ? texts.policies.working : words.check}
          </button>
          <Propose me={me} edited={edited} />
        </span>
      </div>
      <div hidden={view !== 'check'} className="answer">
        <CheckPanel asking={checking} go={go} />
      </div>
      <div hidden={view !== 'changes'} className="answer">
        <ChangesPanel texts={draft.texts} against={null} of={`${of} ${active}`} eager={false} />
      </div>
      <div hidden={view !== 'past'} className="answer">
        <PastPanel texts={draft.texts} of={of} eager={false} />
      </div>
      {view === 'text' && (
        <div className="answer">
          <TextPanel before={activeTexts} after={draft.texts} />
        </div>
      )}
    </section>
  )
}

function Propose({ me, edited }: { me: Me; edited: EditedDraft }) {
  const { draft, active, reset } = edited
  const [asks, setAsks] = useState(false)
  const client = useQueryClient()
  const navigate = useNavigate()
  if (!hasRole(me, 'security', 'local') || !mayChange(me)) return <span className="quiet">{words.mayNotPropose}</span>
  const nothing = changedIn(draft.baseTexts, draft.texts).length === 0
  const propose = async (note: string | null): Promise<void> => {
    const { files, facts } = inputOf(draft.texts)
    const { proposePolicies } = await ask(PROPOSE, { files, facts, tests: testsOf(draft.texts), note: note ?? '', base: draft.base })
    announce(words.proposed)
    await client.invalidateQueries({ queryKey: ['policies', 'proposals'] })
    reset()
    await navigate({ to: '/policies/$tab/$item', params: { tab: 'proposals', item: proposePolicies.id } })
  }
  return (
    <>
      <button type="button" className="button button-good" disabled={nothing || draft.base !== active} onClick={() => setAsks(true)}>
        {words.propose}
      </button>
      {asks && (
        <Confirm
          title={words.proposeTitle}
          action={words.propose}
          reason={words.note}
          needsReason
          run={propose}
          onClose={() => setAsks(false)}
        >
          <p className="quiet">{words.proposeWhy}</p>
        </Confirm>
      )}
    </>
  )
}

function marksIn(check: Check | undefined, name: string): Mark[] {
  if (!check) return []
  const faults = check.faults.map((fault) => ({ ...fault, severity: 'error' as const }))
  return [...faults, ...check.findings].flatMap(({ place, message, severity }) => {
    const { file, line, column } = placeOf(place)
    return file === name ? [{ line, column, message, severity: severity === 'error' ? ('error' as const) : ('warning' as const) }] : []
  })
}

const faultyFiles = (check: Check | undefined): ReadonlySet<string> => new Set(check?.faults.map(({ place }) => placeOf(place).file))
