import { useState } from 'react'
import { texts } from '../texts.ts'
import { JsonText } from '../ui/json-text.tsx'
import { When } from '../ui/when.tsx'
import type { RecordEntry } from './calls-data.ts'

/** The lines of the record about a call, each as it is kept but for arguments and facts. */
export function RecordEntries({ entries }: { entries: readonly RecordEntry[] }) {
  return (
    <section className="block" aria-labelledby="call-record">
      <h2 id="call-record">{texts.call.record}</h2>
      <p className="quiet">{texts.call.recordNote}</p>
      <ol className="entries">
        {entries.map((entry) => (
          <Line key={`${entry.process} ${entry.seq}`} entry={entry} />
        ))}
      </ol>
    </section>
  )
}

function Line({ entry }: { entry: RecordEntry }) {
  const { kind, at, process, seq, body } = entry
  const [open, setOpen] = useState(false)
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <strong>{texts.call.kinds[kind] ?? kind}</strong> <span className="chip">{kind}</span>{' '}
          <span className="quiet">
            <When at={at} />
          </span>{' '}
          <code className="quiet">{texts.call.entry(process, seq)}</code>
        </summary>
        {open && <JsonText value={body} />}
      </details>
    </li>
  )
}
