import { useState } from 'react'
import { texts } from '../texts.ts'
import { namesOf } from './draft.ts'
import type { EditedDraft } from './use-draft.ts'

const words = texts.policies.files

const NAME = /^([a-z0-9]+\.cedar|facts\.yaml|tests\/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json)$/

/** The files of a draft: one is open; those that differ from what they were built upon are marked. */
export function FileList({
  edited,
  name,
  open,
  faulty,
}: {
  edited: EditedDraft
  name: string
  open: (name: string) => void
  faulty: ReadonlySet<string>
}) {
  const { draft, edit } = edited
  const remove = (): void => {
    const { [name]: _gone, ...rest } = draft.texts
    edit(rest, true)
  }
  return (
    <nav className="files" aria-label={words.label}>
      <ul>
        {namesOf(draft.texts).map((each) => (
          <li key={each}>
            <button type="button" aria-current={each === name ? 'true' : undefined} onClick={() => open(each)}>
              <span className="mono">{each}</span>
              {faulty.has(each) && <span className="chip chip-bad">{words.faulty}</span>}
              {draft.texts[each] !== draft.baseTexts[each] && <span className="chip chip-strong">{words.changed}</span>}
            </button>
          </li>
        ))}
      </ul>
      <AddFile
        taken={Object.keys(draft.texts)}
        add={(added) => {
          edit({ ...draft.texts, [added]: added.endsWith('.json') ? '[\n]\n' : '' }, true)
          open(added)
        }}
      />
      {namesOf(draft.texts).length > 1 && (
        <button type="button" className="button button-quiet" onClick={remove}>
          {words.remove(name)}
        </button>
      )}
    </nav>
  )
}

function AddFile({ taken, add }: { taken: readonly string[]; add: (name: string) => void }) {
  const [name, setName] = useState('')
  const [wrong, setWrong] = useState(false)
  return (
    <form
      className="add-file"
      onSubmit={(event) => {
        event.preventDefault()
        const fits = NAME.test(name) && !taken.includes(name)
        setWrong(!fits)
        if (!fits) return
        add(name)
        setName('')
      }}
    >
      <label className="field">
        {words.add}
        <input
          className="mono"
          value={name}
          placeholder="tests/new.json"
          aria-invalid={wrong}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      {wrong && (
        <p className="quiet" role="alert">
          {words.names}
        </p>
      )}
      <button type="submit" className="button">
        {words.addFile}
      </button>
    </form>
  )
}
