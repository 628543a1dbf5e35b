import { type ReactNode, useId, useState } from 'react'
import { texts } from '../texts.ts'
import { Dialog } from './dialog.tsx'
import { Problem } from './problem.tsx'

/**
 * Asks before something is done that is not undone with a click, and for what the record should keep. `run` gets the words, or null; the dialog stays
 * open, with what went wrong, until it has been done.
 */
export function Confirm({
  title,
  children,
  action,
  reason,
  needsReason = false,
  danger = false,
  run,
  onClose,
}: {
  title: string
  children?: ReactNode
  /** The word on the button. */
  action: string
  /** What the text field asks for. */
  reason: string
  needsReason?: boolean
  danger?: boolean
  run: (reason: string | null) => Promise<unknown>
  onClose: () => void
}) {
  const [words, setWords] = useState('')
  const [working, setWorking] = useState(false)
  const [error, setError] = useState<unknown>()
  const field = useId()
  const send = async (): Promise<void> => {
    setWorking(true)
    setError(undefined)
    try {
      await run(words.trim() === '' ? null : words.trim())
      onClose()
    } catch (problem) {
      setError(problem)
      setWorking(false)
    }
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        {children}
        <label className="field" htmlFor={field}>
          {reason}
          <textarea id={field} rows={3} value={words} onChange={(event) => setWords(event.target.value)} required={needsReason} />
        </label>
        {error !== undefined && <Problem error={error} title={texts.problem.notDone} />}
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {texts.decide.cancel}
          </button>
          <button type="submit" className={danger ? 'button button-bad' : 'button button-good'} disabled={working}>
            {working ? texts.decide.working : action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
