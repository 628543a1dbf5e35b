/**
 * One visible character for many: full-width, mathematical, enclosed and superscript forms become the ASCII character that they show, digits of
 * every script become `0` to `9`, blanks become a space, and what nobody sees goes away. Never longer than the text it is made from.
 */
export function visibleForm(text: string): string {
  if (!UNUSUAL.test(text)) return text
  const decoded = text.includes('&') ? decodeEntities(text) : text
  return decoded.replace(FOLDED, (char) => FOLD.get(char) ?? '')
}

/**
 * Lower case, without accents, look-alike letters and digits inside a Latin word made Latin, emphasis inside a word gone: what phrases are looked for in.
 */
export function wordForm(visible: string): string {
  const lower = visible.toLowerCase().replace(EMPHASIS, '')
  const latin = lower.replace(DIGITS_INSIDE, (word) =>
    WORDLIKE.test(word) ? word.replace(/[013457]/g, (digit) => LEET[digit] ?? digit) : word,
  )
  if (!BEYOND_ASCII.test(latin)) return latin
  const bare = latin.replace(ACCENTED, (char) => ACCENTS.get(char) ?? char)
  return bare.replace(MIXED_WORD, (word) => (LATIN.test(word) ? word.replace(LOOK_ALIKE, (char) => LOOK_ALIKES.get(char) ?? char) : word))
}

const EMPHASIS = /(?<=\p{L})(?:[*~]{1,3}|`)(?=\p{L})/gu
/** Words with one to four digits that are read as letters. */
const DIGITS_INSIDE = /(?<![a-z0-9])(?:[a-z]{0,12}[013457]){1,4}[a-z]{1,12}(?![a-z0-9])/g
const WORDLIKE = /[a-z].*[a-z].*[a-z]/
const LEET: Readonly<Record<string, string>> = { 0: 'o', 1: 'i', 3: 'e', 4: 'a', 5: 's', 7: 't' }

/** Entities that hide a character from a plain search; others are left alone. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
  ['colon', ':'],
  ['period', '.'],
  ['commat', '@'],
  ['sol', '/'],
  ['shy', ''],
  ['zwj', ''],
  ['zwnj', ''],
])

const ENTITY = /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]{2,6}));/gi

function decodeEntities(text: string): string {
  return text.replace(ENTITY, (entity, hex: string | undefined, decimal: string | undefined, name: string | undefined) => {
    if (name !== undefined) return NAMED.get(name.toLowerCase()) ?? entity
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : entity
  })
}

/** Code points whose compatibility form may be one ASCII character. */
const COMPATIBLE: readonly (readonly [number, number])[] = [
  [0xa0, 0xff],
  [0x2000, 0x20ff],
  [0x2100, 0x214f],
  [0x2460, 0x24ff],
  [0x3000, 0x3000],
  [0xfe50, 0xfe6f],
  [0xff00, 0xffef],
  [0x1d400, 0x1d7ff],
  [0x1f100, 0x1f1ff],
]

const FOLD: ReadonlyMap<string, string> = foldTable()
const INVISIBLE = String.raw`\p{Default_Ignorable_Code_Point}\u0300-\u036F\0-\x08\x0E-\x1F\x7F-\x84\x86-\x9F`
const FOLDED = new RegExp(`[${INVISIBLE}${[...FOLD.keys()].join('')}]`, 'gu')
const UNUSUAL = /[^\t\n\r -%'-~]/

function foldTable(): Map<string, string> {
  const table = new Map<string, string>()
  for (const [first, last] of COMPATIBLE) {
    for (let code = first; code <= last; code++) {
      const char = String.fromCodePoint(code)
      const form = char.normalize('NFKC')
      if (form.length === 1 && form !== char && form <= '~') table.set(char, form)
    }
  }
  // Digits come in blocks of ten, from zero to nine.
  let digits = 0
  for (let code = 0x80; code <= 0xffff; code++) {
    const char = String.fromCharCode(code)
    if (/\p{Nd}/u.test(char)) table.set(char, String(digits++ % 10))
  }
  return table
}

const BEYOND_ASCII = /[^\0-~]/
const ACCENTS: ReadonlyMap<string, string> = accentTable()
const ACCENTED = new RegExp(`[${[...ACCENTS.keys()].join('')}]`, 'gu')

function accentTable(): Map<string, string> {
  const table = new Map<string, string>([
    ['ß', 's'],
    ['ø', 'o'],
    ['ł', 'l'],
    ['ı', 'i'],
    ['đ', 'd'],
  ])
  for (const [first, last] of [
    [0xc0, 0x24f],
    [0x1e00, 0x1eff],
  ] as const) {
    for (let code = first; code <= last; code++) {
      const char = String.fromCharCode(code)
      const base = char.normalize('NFD').charAt(0)
      if (base !== char && base <= 'z') table.set(char, base)
    }
  }
  return table
}

const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(
  Object.entries({ а: 'a', в: 'b', с: 'c', ԁ: 'd', е: 'e', һ: 'h', і: 'i', ј: 'j', к: 'k', ӏ: 'l', м: 'm', н: 'h', о: 'o', р: 'p' }).concat(
    Object.entries({
      ѕ: 's',
      т: 't',
      у: 'y',
      ѵ: 'v',
      х: 'x',
      α: 'a',
      ε: 'e',
      ι: 'i',
      κ: 'k',
      ν: 'v',
      ο: 'o',
      ρ: 'p',
      τ: 't',
      υ: 'u',
      χ: 'x',
    }),
  ),
)
const LOOK_ALIKE = new RegExp(`[${[...LOOK_ALIKES.keys()].join('')}]`, 'gu')
const LATIN = /[a-z]/
const MIXED_WORD = /[a-z\u0370-\u052F]{2,40}/gu
