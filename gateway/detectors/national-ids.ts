import { validate as cpf } from 'stdnum/lib/cjs/br/cpf.js'
import { validate as sin } from 'stdnum/lib/cjs/ca/sin.js'
import { validate as ahv } from 'stdnum/lib/cjs/ch/ssn.js'
import { validate as ric } from 'stdnum/lib/cjs/cn/ric.js'
import { validate as idnr } from 'stdnum/lib/cjs/de/idnr.js'
import { validate as cpr } from 'stdnum/lib/cjs/dk/cpr.js'
import { validate as dni } from 'stdnum/lib/cjs/es/dni.js'
import { validate as nie } from 'stdnum/lib/cjs/es/nie.js'
import { validate as hetu } from 'stdnum/lib/cjs/fi/hetu.js'
import { validate as nir } from 'stdnum/lib/cjs/fr/nir.js'
import { validate as nino } from 'stdnum/lib/cjs/gb/nino.js'
import { validate as aadhaar } from 'stdnum/lib/cjs/in/aadhaar.js'
import { validate as codiceFiscale } from 'stdnum/lib/cjs/it/codicefiscale.js'
import { validate as rrn } from 'stdnum/lib/cjs/kr/rrn.js'
import { validate as curp } from 'stdnum/lib/cjs/mx/curp.js'
import { validate as bsn } from 'stdnum/lib/cjs/nl/bsn.js'
import { validate as fodselsnummer } from 'stdnum/lib/cjs/no/fodselsnummer.js'
import { validate as pesel } from 'stdnum/lib/cjs/pl/pesel.js'
import { validate as personnummer } from 'stdnum/lib/cjs/se/personnummer.js'
import { validate as tckimlik } from 'stdnum/lib/cjs/tr/tckimlik.js'
import { validate as ssn } from 'stdnum/lib/cjs/us/ssn.js'
import { validate as saId } from 'stdnum/lib/cjs/za/idnr.js'

interface NationalId {
  /** How people write it. Of fixed length, so that looking for it is linear. */
  readonly form: RegExp
  readonly validate: (number: string) => { readonly isValid: boolean }
}

const written = (form: string): RegExp => new RegExp(String.raw`(?<![\p{L}\p{N}.,_/-])(?:${form})(?![\p{L}\p{N}_]|[.,/-]\p{N})`, 'giu')
/** A bare number says too little on its own where one in ten passes the check: it counts after the number's name. */
const named = (names: string, form: string): RegExp =>
  new RegExp(String.raw`(?<!\p{L})(?:${names})[^\p{L}\p{N}]{0,4}(${form})(?!\p{N})`, 'giu')

/** Numbers that a state gives to a person, by the forms in which they are told from order numbers. Check digits and dates are the library's to say. */
const NATIONAL_IDS: readonly NationalId[] = [
  { form: written(String.raw`\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}`), validate: ssn },
  { form: written(String.raw`[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]`), validate: nino },
  { form: written('[A-Z]{6}[0-9L-V]{2}[A-Z][0-9L-V]{2}[A-Z][0-9L-V]{3}[A-Z]'), validate: codiceFiscale },
  { form: written(String.raw`\d{8}[- ]?[A-Z]`), validate: dni },
  { form: written(String.raw`[XYZ][- ]?\d{7}[- ]?[A-Z]`), validate: nie },
  { form: written(String.raw`\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]`), validate: hetu },
  { form: written(String.raw`[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}`), validate: nir },
  { form: written(String.raw`756\.?\d{4}\.?\d{4}\.?\d{2}`), validate: ahv },
  { form: written(String.raw`\d{3}\.\d{3}\.\d{3}-\d{2}`), validate: cpf },
  { form: written(String.raw`\d{17}[0-9X]`), validate: ric },
  { form: written(String.raw`(?:19|20)?\d{6}[-+]\d{4}`), validate: personnummer },
  { form: written(String.raw`\d{6}-\d{4}`), validate: cpr },
  { form: written(String.raw`\d{6}-[0-8]\d{6}`), validate: rrn },
  { form: written(String.raw`[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d`), validate: curp },
  { form: written(String.raw`\d{2} \d{3} \d{3} \d{3}|\d{11}`), validate: idnr },
  { form: written(String.raw`\d{6} \d{5}|\d{11}`), validate: fodselsnummer },
  { form: written(String.raw`[2-9]\d{3} \d{4} \d{4}`), validate: aadhaar },
  { form: named('pesel', String.raw`\d{11}`), validate: pesel },
  { form: named('bsn|burgerservicenummer', String.raw`\d{9}|\d{4}[. ]\d{2}[. ]\d{3}`), validate: bsn },
  { form: named('t\\.?c\\.?(?: kimlik(?: no)?)?|tckn', String.raw`\d{11}`), validate: tckimlik },
  { form: named('cpf', String.raw`\d{11}`), validate: cpf },
  { form: named('aadhaar', String.raw`\d{12}`), validate: aadhaar },
  { form: named('ssn|social security(?: number| no)?', String.raw`\d{9}`), validate: ssn },
  { form: named('sin|social insurance(?: number| no)?', String.raw`\d{9}|\d{3}[- ]\d{3}[- ]\d{3}`), validate: sin },
  { form: named('(?:sa )?id(?: number| no)?', String.raw`\d{13}`), validate: saId },
]

export function hasNationalId(visible: string): boolean {
  if (!FOUR_DIGITS.test(visible)) return false
  return NATIONAL_IDS.some(({ form, validate }) => {
    for (const [whole, number] of visible.matchAll(form)) if (validate((number ?? whole).trim()).isValid) return true
    return false
  })
}

const FOUR_DIGITS = /\d{2}/
