import { texts } from '../texts.ts'

/** What stands in place of something that could not be loaded. */
export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <div className="notice notice-bad" role="alert">
      <strong>{texts.problem.title}</strong>
      <p>{error instanceof Error ? error.message : texts.problem.offline}</p>
      {again && (
        <button type="button" className="button" onClick={again}>
          {texts.problem.again}
        </button>
      )}
    </div>
  )
}
