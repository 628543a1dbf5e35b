/**
 * A number as whole ten-thousandths, the unit of every amount that policy counts; undefined where four decimal places do not hold it exactly as it was
 * written, and for what is not finite. Never rounds.
 */
export function tenThousandths(value: number): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d{1,4}))?$/.exec(String(value))
  if (!match) return undefined
  const [, sign = '', whole = '', places = ''] = match
  return BigInt(`${sign}${whole}${places.padEnd(4, '0')}`)
}

/** Decimal text with one to four places: `1.0`, `-0.25`. */
export function decimalText(units: bigint): string {
  const digits = String(units < 0n ? -units : units).padStart(5, '0')
  const places = digits.slice(-4).replace(/0{1,3}$/, '')
  return `${units < 0n ? '-' : ''}${digits.slice(0, -4)}.${places}`
}
