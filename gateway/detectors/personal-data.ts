import { countrySpecs, isValidIBAN } from 'ibantools'
import { parsePhoneNumberFromString } from 'libphonenumber-js/min'
import validator from 'validator'
import { hasNationalId } from './national-ids.ts'

/**
 * Whether a text in visible form holds a mail address, a telephone number (international, with an area code in brackets, or after a word such as
 * `Tel.`), a bank account number (IBAN) or a number that a state gives to a person. Each is checked by its own rules and check digits. Linear.
 */
export function hasPersonalData(visible: string): boolean {
  return hasEmail(visible) || hasIban(visible) || hasPhone(visible) || hasNationalId(visible)
}

/** What may stand before and after the `@` of an address; the rest is the library's to say. `git@host:path` is a repository's, `//user@host` a URL's. */
const EMAIL = /(?<![\p{L}\p{N}._%+-])(?<!\/\/)(?<!\/\/[^\s/@]{0,64}:)([\p{L}\p{N}._%+-]{1,64})@([\p{L}\p{N}.-]{3,253})(:[^\s/]{0,1})?/gu

function hasEmail(text: string): boolean {
  if (!text.includes('@')) return false
  for (const [, local = '', domain = '', path] of text.matchAll(EMAIL)) {
    if (path !== undefined && path.length > 1) continue
    const name = local.replace(/^[^\p{L}\p{N}]{1,64}/u, '')
    if (validator.isEmail(`${name}@${domain.replace(/[.-]{1,253}$/, '')}`)) return true
  }
  return false
}

const IBAN = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}[ -]?(?:[A-Za-z0-9][ -]?){10,32}/g

/** A country says how long its numbers are, so what follows in the same line does not matter. */
function hasIban(text: string): boolean {
  for (const [passage] of text.matchAll(IBAN)) {
    const joined = passage.replace(/[ -]/g, '').toUpperCase()
    const length = countrySpecs[joined.slice(0, 2)]?.chars
    if (length && isValidIBAN(joined.slice(0, length))) return true
  }
  return false
}

const INTERNATIONAL = /(?<![\p{L}\p{N}+.,])(?:\+|00)[1-9](?:[ ()./-]{0,3}\d){6,14}(?!\d)/gu
const BRACKETED = /(?<![\p{L}\p{N}])(?:1[ .-]?)?\([2-9]\d{2}\)[ .-]?[2-9]\d{2}[ .-]\d{4}(?!\d)/gu
/** Words that stand before a telephone number, as people write them in letters and mails. */
const LABELLED = new RegExp(
  String.raw`(?<!\p{L})(?:${[
    't[eé]l(?:[eé]phone|[eé]fono?|efone|efoon)?',
    'phone',
    'mobil(?:e|telefon)?',
    'mobiel',
    'cell(?:ulare|ular)?',
    'celular',
    'móvil',
    'movil',
    'portable',
    'handy',
    'fax',
    'whatsapp',
    'telefon(?:nummer|e)?',
    'rufnummer',
    'тел(?:ефон)?',
    'هاتف',
    'טלפון',
    '电话',
    '手机',
    '電話',
    '전화',
  ].join('|')})(?:\s?(?:no|nr|number|nummer)\.?)?[.:]{0,2}\s{0,3}(\(?\d(?:[ ()./-]{0,3}\d){5,13})(?!\d)`,
  'giu',
)
const DIGITS_MIN = 7

function hasPhone(text: string): boolean {
  for (const [number] of text.matchAll(INTERNATIONAL)) {
    if (parsePhoneNumberFromString(number.startsWith('00') ? `+${number.slice(2)}` : number)?.isValid()) return true
  }
  for (const [number] of text.matchAll(BRACKETED)) if (parsePhoneNumberFromString(number, 'US')?.isValid()) return true
  for (const [, number = ''] of text.matchAll(LABELLED)) if (number.replace(/\D/g, '').length >= DIGITS_MIN) return true
  return false
}
