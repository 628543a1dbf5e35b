import validator from 'validator'

/** 12 to 19 digits, alone or in groups with one blank or dash between them (ISO/IEC 7812-1). */
const CARD = /(?<![\p{L}\p{N}.,_-])(?:\d[ -]?){11,18}\d(?![\p{L}\p{N}_]|[.,-]\d)/gu
const GROUPS = /^(?:\d{12,19}|\d{4}(?:([ -])\d{4}){2}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})$/

/**
 * Whether a text in visible form holds a payment card's number: the digits of a known scheme with a right check digit (Luhn), written without blanks or
 * in the groups that stand on cards. Other long numbers pass the check digit one time in ten, so they must look like a card's, too. Linear.
 */
export function hasPaymentCard(visible: string): boolean {
  for (const [passage] of visible.matchAll(CARD)) if (GROUPS.test(passage) && validator.isCreditCard(passage)) return true
  return false
}
