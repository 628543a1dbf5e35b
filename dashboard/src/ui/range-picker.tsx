/** A choice among spans of time. */
export function RangePicker<Range extends string>({
  label,
  ranges,
  chosen,
  onChoose,
}: {
  label: string
  /** Each with its name. */
  ranges: readonly (readonly [Range, string])[]
  chosen: Range
  onChoose: (range: Range) => void
}) {
  return (
    <fieldset className="switch" aria-label={label}>
      {ranges.map(([range, name]) => (
        <button key={range} type="button" aria-pressed={range === chosen} onClick={() => onChoose(range)}>
          {name}
        </button>
      ))}
    </fieldset>
  )
}
