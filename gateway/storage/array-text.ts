/**
 * A one-dimensional array literal (PostgreSQL, "Array Value Input"): texts quoted with `"` and `\` escaped, numbers plain, null as NULL. A NUL in a
 * text is left to the database to refuse.
 */
export function arrayText(values: readonly (string | number | null)[]): string {
  let text = '{'
  for (const [index, value] of values.entries()) {
    if (index > 0) text += ','
    if (value === null) text += 'NULL'
    else if (typeof value === 'number') text += value
    else text += `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`
  }
  return `${text}}`
}
