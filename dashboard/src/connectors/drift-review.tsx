import { diffLines } from 'diff'
import { texts } from '../texts.ts'
import { VisibleText } from '../ui/visible-text.tsx'
import { Ago } from '../ui/when.tsx'
import type { DriftData } from './connectors-data.ts'

const EDITS_MAX = 2_000

/** What the system says otherwise than people reviewed it, and how a review ends that. Its words are data: marked, and never more than text. */
export function DriftReview({ connector, drift }: { connector: string; drift: readonly DriftData[] }) {
  const refused = drift.filter(({ change }) => change !== 'new').length
  return (
    <section className="block drift" aria-labelledby="drift-title">
      <h2 id="drift-title">
        {texts.connectors.drift.title} <span className="count">{drift.length}</span>
      </h2>
      <p>{texts.connectors.drift.why(refused)}</p>
      <p className="quiet">{texts.connectors.drift.how}</p>
      <pre className="command">
        <code>{`npm run gatehouse -- connector refresh ${connector} --config gatehouse.yaml`}</code>
      </pre>
      <ul className="drift-list">
        {drift.map((each) => (
          <Change key={each.subject} drift={each} />
        ))}
      </ul>
    </section>
  )
}

function Change({ drift: { subject, change, since, reviewed, seen } }: { drift: DriftData }) {
  return (
    <li>
      <details>
        <summary>
          <strong>
            <VisibleText text={subject} />
          </strong>{' '}
          <span className={change === 'new' ? 'chip' : 'chip chip-bad'}>{texts.connectors.drift.changes[change]}</span>{' '}
          <span className="quiet">
            <Ago at={since} />
          </span>
        </summary>
        <Difference subject={subject} before={reviewed} after={seen} />
      </details>
    </li>
  )
}

interface Line {
  key: string
  text: string
  tone: 'gone' | 'come' | 'same'
}

function linesOf(before: string, after: string): readonly Line[] {
  // Beyond the bound nothing is compared: both sides stand whole, one after the other.
  const parts = diffLines(before, after, { maxEditLength: EDITS_MAX }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ]
  let at = 0
  return parts.flatMap(({ value, removed, added }) =>
    value
      .replace(/\n$/, '')
      .split('\n')
      .filter(() => value !== '')
      .map((text): Line => {
        at += 1
        return { key: `${at}`, text, tone: removed ? 'gone' : added ? 'come' : 'same' }
      }),
  )
}

const MARK = { gone: '−', come: '+', same: ' ' } as const

function Difference({ subject, before, after }: { subject: string; before: string | null; after: string | null }) {
  const { drift } = texts.connectors
  return (
    <section className="drift-lines" aria-label={drift.difference(subject)}>
      {linesOf(before ?? '', after ?? '').map(({ key, text, tone }) => (
        <p key={key} className={`drift-${tone}`}>
          <span aria-hidden="true">{MARK[tone]}</span>
          {tone !== 'same' && <span className="hidden">{tone === 'gone' ? drift.was : drift.is}</span>}
          <VisibleText text={text} />
        </p>
      ))}
    </section>
  )
}
