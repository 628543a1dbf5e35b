import { texts } from '../texts.ts'

/** What stands in place of something that could not be loaded, or done where `title` says so. */
export function Problem({ error, again, title = texts.problem.title }: { error: unknown; again?: () => void; title?: string }) {
  return (
    <div className="notice notice-bad" role="alert">
      <strong>{title}</strong>
      <p>{error instanceof Error ? error.message : texts.problem.offline}</p>
      {again && (
        <button type="button" className="button" onClick={again}>
          {texts.problem.again}
        </button>
      )}
    </div>
  )
}
