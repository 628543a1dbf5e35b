/**
 * A number as whole ten-thousandths, the unit of every amount that policy counts; undefined where four decimal places do not hold it exactly as it was
 * written, and for what is not finite. Never rounds.
 */
export const tenThousandths = (value: number): bigint | undefined => parseDecimal(String(value))

/** The units of decimal text as `decimalText` writes it; undefined for any other text. */
export function parseDecimal(text: string): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d{1,4}))?$/.exec(text)
  if (!match) return undefined
  const [, sign = '', whole = '', places = ''] = match
  return BigInt(`${sign}${whole}${places.padEnd(4, '0')}`)
}

/** Whether a decimal of policy holds it: 64 bits, signed. */
export const fitsDecimal = (units: bigint): boolean => BigInt.asIntN(64, units) === units

/** Decimal text with one to four places: `1.0`, `-0.25`. */
export function decimalText(units: bigint): string {
  const digits = String(units < 0n ? -units : units).padStart(5, '0')
  const places = digits.slice(-4).replace(/0{1,3}$/, '')
  return `${units < 0n ? '-' : ''}${digits.slice(0, -4)}.${places}`
}
