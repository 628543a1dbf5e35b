import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { ask } from '../gateway.ts'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { When } from '../ui/when.tsx'
import { Refusal } from './asking.tsx'
import { inputOf, testsOf } from './draft.ts'
import { CHECK, type Check, type PolicySet, setQuery, startQuery, statusQuery } from './policies-data.ts'
import { SourceText } from './source-text.tsx'

const words = texts.policies.active

type Policy = PolicySet['policies'][number]
type Coverage = Check['coverage'][number]

/** The set that binds: its policies to search, and its files to read. `named`: the policy that the address is about. */
export function ActiveTab({ named }: { named: string | undefined }) {
  const status = useQuery(statusQuery)
  const active = status.data?.active ?? null
  const set = useQuery({ ...setQuery(active ?? ''), enabled: active !== null })
  if (status.error) return <Problem error={status.error} again={() => void status.refetch()} />
  if (set.error) return <Problem error={set.error} again={() => void set.refetch()} />
  if (!set.data || !status.data) return <Skeleton lines={14} />
  return (
    <>
      {status.data.behind !== null && <p className="notice notice-bad">{words.behind(status.data.behind)}</p>}
      {status.data.fileFaults.length > 0 && (
        <div className="notice notice-bad">
          <strong>{words.fileFaults}</strong>
          <ul className="fault-list">
            {status.data.fileFaults.map(({ place, message }) => (
              <li key={`${place} ${message}`}>
                <code>{place}</code> {message}
              </li>
            ))}
          </ul>
        </div>
      )}
      <ActiveSet key={set.data.hash} set={set.data} named={named} />
    </>
  )
}

interface Place {
  file: string
  line: number
}

function ActiveSet({ set, named }: { set: PolicySet; named: string | undefined }) {
  const [wanted, setWanted] = useState('')
  const [file, setFile] = useState('')
  const [place, setPlace] = useState<Place>()
  const covered = useCoverage(set.hash)
  const coverage = useMemo(() => new Map(covered.data?.coverage.map((one) => [one.policy, one])), [covered.data])
  const shown = set.policies
    .filter((policy) => (file === '' || policy.file === file) && isWanted(policy, wanted))
    .sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
  return (
    <>
      <p className="quiet">
        {words.set} <code title={set.hash}>{set.hash.slice(0, 12)}</code>, {words.stored} <When at={set.storedAt} />
      </p>
      <div className="filters">
        <label className="field">
          {words.search}
          <input type="search" value={wanted} onChange={(event) => setWanted(event.target.value)} />
        </label>
        <label className="field">
          {words.file}
          <select value={file} onChange={(event) => setFile(event.target.value)}>
            <option value="">{words.allFiles}</option>
            {set.files.map(({ path }) => (
              <option key={path} value={path}>
                {nameOf(path)}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button" onClick={() => covered.mutate()} disabled={covered.isPending}>
          {covered.isPending ? texts.policies.working : words.cover}
        </button>
      </div>
      {covered.error && <Refusal error={covered.error} />}
      {covered.data && <p role="status">{words.covered(covered.data.passed, covered.data.failed)}</p>}
      {named !== undefined && set.policies.every(({ id }) => id !== named) && (
        <p className="notice notice-warn" role="status">
          {words.notActive(named)}
        </p>
      )}
      {place && <WholeFile set={set} place={place} onClose={() => setPlace(undefined)} />}
      {shown.length === 0 ? (
        <p className="empty quiet">{words.nothing}</p>
      ) : (
        <ol className="policies" aria-label={words.count(shown.length, set.policies.length)}>
          {shown.map((policy) => (
            <PolicyRow
              key={policy.id}
              policy={policy}
              named={policy.id === named}
              coverage={covered.data ? (coverage.get(policy.id) ?? null) : undefined}
              open={setPlace}
            />
          ))}
        </ol>
      )}
      {set.facts !== null && (
        <details className="block">
          <summary>facts.yaml</summary>
          <SourceText name="facts.yaml" text={set.facts} first={1} />
        </details>
      )}
    </>
  )
}

/** What the tests of the active set cover; asked for, since it runs all of them. */
const useCoverage = (hash: string) => {
  const start = useQuery({ ...startQuery(hash), enabled: false })
  return useMutation({
    mutationFn: async () => {
      const { data, error } = await start.refetch()
      if (!data) throw error ?? new Error(texts.problem.offline)
      return (await ask(CHECK, { draft: inputOf(data), tests: testsOf(data) })).checkPolicies
    },
  })
}

const nameOf = (path: string): string => (path.startsWith('library/') ? path : path.slice(path.lastIndexOf('/') + 1))

const annotationsOf = ({ annotations }: Policy): Record<string, string> => annotations as Record<string, string>

function isWanted(policy: Policy, wanted: string): boolean {
  const { reason = '', hold = '' } = annotationsOf(policy)
  const where = `${policy.id}\n${policy.text}\n${reason}\n${hold}`.toLowerCase()
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => where.includes(word))
}

interface RowProps {
  policy: Policy
  named: boolean
  coverage: Coverage | null | undefined
  open: (place: Place) => void
}

function PolicyRow({ policy, named, coverage, open }: RowProps) {
  const row = useRef<HTMLLIElement>(null)
  useEffect(() => {
    if (!named) return
    row.current?.scrollIntoView({ block: 'center' })
    row.current?.focus({ preventScroll: true })
  }, [named])
  const { hold, reason, advice, shadow } = annotationsOf(policy)
  return (
    <li ref={row} className="policy" {...(named ? { tabIndex: -1, 'aria-current': true } : {})}>
      <div className="policy-head">
        <strong className="mono">{policy.id}</strong>
        <span className="chips">
          <span className={policy.effect === 'permit' ? 'chip chip-good' : hold === undefined ? 'chip chip-bad' : 'chip chip-warn'}>
            {hold === undefined ? words.effects[policy.effect] : words.holds(hold)}
          </span>
          {shadow !== undefined && <span className="chip">{words.shadow}</span>}
          {coverage !== undefined && <CoverageChip coverage={coverage} shadow={shadow !== undefined} />}
        </span>
        <span className="policy-links">
          <Link to="/calls" search={{ policy: policy.id }} aria-label={words.callsOf(policy.id)}>
            {words.calls}
          </Link>
          <button type="button" className="link mono" onClick={() => open({ file: policy.file, line: policy.line })}>
            {nameOf(policy.file)}:{policy.line}
          </button>
        </span>
      </div>
      {reason !== undefined && (
        <p>
          <VisibleText text={reason} />
        </p>
      )}
      {advice !== undefined && (
        <p className="quiet">
          {words.advice} <VisibleText text={advice} />
        </p>
      )}
      <details open={named}>
        <summary>{words.text}</summary>
        <SourceText name={`${policy.id}.cedar`} text={policy.text} />
      </details>
    </li>
  )
}

function CoverageChip({ coverage, shadow }: { coverage: Coverage | null; shadow: boolean }) {
  if (shadow || coverage === null) return null
  if (coverage.decided > 0) return <span className="chip chip-good">{words.decided(coverage.decided)}</span>
  return <span className="chip chip-warn">{coverage.near > 0 ? words.near : words.untested}</span>
}

/** The file around a policy, at its line. */
function WholeFile({ set, place, onClose }: { set: PolicySet; place: Place; onClose: () => void }) {
  const file = set.files.find(({ path }) => path === place.file)
  useEffect(() => {
    document.getElementById(`line-${place.line}`)?.scrollIntoView({ block: 'center' })
  }, [place])
  if (!file) return null
  return (
    <section className="whole-file" aria-label={nameOf(place.file)}>
      <header className="block-head">
        <h2 className="mono">{nameOf(place.file)}</h2>
        <button type="button" className="button" onClick={onClose}>
          {words.close}
        </button>
      </header>
      <SourceText name={nameOf(place.file)} text={file.text} first={1} marked={place.line} />
    </section>
  )
}
