import { VisibleText } from './visible-text.tsx'

/** JSON in lines, with every character that shows nothing marked: only the breaks between its lines are not. */
export function JsonText({ value }: { value: unknown }) {
  let at = 0
  return (
    <pre className="json">
      {JSON.stringify(value, null, 2)
        .split('\n')
        .map((line) => (
          <div key={at++}>
            <VisibleText text={line} />
          </div>
        ))}
    </pre>
  )
}
