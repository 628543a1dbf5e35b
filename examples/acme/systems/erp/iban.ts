/** The ISO 7064 remainder that an IBAN's characters leave, its first four moved to the end (ISO 13616). */
function remainder(iban: string): number {
  const digits = [...iban.slice(4), ...iban.slice(0, 4)].map((sign) => Number.parseInt(sign, 36)).join('')
  let rest = 0
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97
  return rest
}

/** Whether the two check digits are right. */
export const ibanHolds = (iban: string): boolean => remainder(iban) === 1

/** A German IBAN of this bank and account number. */
export function germanIban(bank: string, account: string): string {
  const body = `${bank}${account.padStart(10, '0')}`
  return `DE${String(98 - remainder(`DE00${body}`)).padStart(2, '0')}${body}`
}
