import { rules } from '@secretlint/secretlint-rule-preset-recommend'

/** What this needs of a rule of secretlint: its types come from packages that are not installed. */
interface SecretRule {
  readonly meta: { readonly id: string }
  create(context: SecretContext, options: object): { file(source: SecretSource): unknown }
}

interface SecretContext {
  createTranslator(messages: object): () => object
  report(found: object): void
}

interface SecretSource {
  readonly content: string
  readonly ext: string
  readonly contentType: 'text'
}

/** The rule that lets a text switch the others off by a comment: not here, where the text is an agent's or a stranger's. */
const SILENCING = '@secretlint/secretlint-rule-filter-comments'

/** Rules read the text when they are called and report before they return. */
class SecretScanner {
  #found = false
  readonly #rules: readonly { file(source: SecretSource): unknown }[]

  constructor(all: readonly SecretRule[]) {
    const context: SecretContext = {
      createTranslator: () => () => ({ message: '' }),
      report: () => {
        this.#found = true
      },
    }
    this.#rules = all.filter(({ meta }) => meta.id !== SILENCING).map((rule) => rule.create(context, {}))
  }

  has(content: string): boolean {
    this.#found = false
    for (const rule of this.#rules) {
      rule.file({ content, ext: '.txt', contentType: 'text' })
      if (this.#found) return true
    }
    return false
  }
}

const scanner = new SecretScanner(rules)

/** Forms that secretlint has no rule for. Only bounded repetition, and a start that cannot be inside a longer word: linear. */
const MORE: readonly RegExp[] = [
  // JSON Web Token (RFC 7519): header and payload are JSON objects.
  /(?<![\w-])eyJ[\w-]{10,1000}\.eyJ[\w-]{10,2000}\.[\w-]{10}/,
  // Access key ids of AWS: long-lived and of a session.
  /(?<![A-Z0-9])A(?:KIA|SIA)[A-Z2-7]{16}(?![A-Z0-9])/,
  /(?<![\w-])AIza[\w-]{35}(?![\w-])/,
  // RFC 6750 and 7617.
  /(?<!\w)(?:bearer|basic)\s{1,4}(?=[\w.~+/=-]{0,200}\d)(?=[\w.~+/=-]{0,200}[A-Za-z])[\w.~+/=-]{16}/i,
  /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/,
]

const NAMES = [
  'pass(?:word|wd|phrase|code)?',
  'pwd',
  'secret',
  '(?:api|access|secret|private|account|signing|shared)[ _-]?key',
  '(?:access|auth|api|refresh|secret)[ _-]?token',
  'client[ _-]?secret',
  'passwort',
  'kennwort',
  'mot de passe',
  'contrasena',
  'contraseña',
  'senha',
  'wachtwoord',
  'haslo',
  'hasło',
  'пароль',
  '密码',
  'パスワード',
].join('|')
const ASSIGNED = new RegExp(
  String.raw`(?:${NAMES})["']{0,1}(?:\s{0,4}[:=：]{1,2}>?\s{0,4}|\s{1,4}(?:is|ist|lautet|est|es)\s{1,4})["'\x60]?([^\s"'\x60,;<>]{8,200})`,
  'giu',
)
/** Two of lower case, upper case, digit and other, one of them no letter: no word of a language. */
const LETTERS_AND_MORE = /^(?=.{0,200}\p{L})(?=.{0,200}[^\p{L}.:)!?])/u
const STANDS_FOR_ANOTHER = /^(?:[$%{([*]|x{4}|\.{3}|https?:|process\.|os\.|env[.:[]|vault:|example|changeme|your[_-])|[*•]{3}|\($|\)$/i

/** `request.body.password` and `read(file)`: what programs say instead of the value. */
const CODE = /[([]|^[\w$#]{1,60}(?:\.[\w$#]{1,60}){1,8}$|^\/|\\/

/** Whether a text in visible form holds what opens a door: keys and tokens of known forms, private keys, and what is said to be a password. Linear. */
export function hasCredential(visible: string): boolean {
  if (MORE.some((pattern) => pattern.test(visible))) return true
  for (const [, value = ''] of visible.matchAll(ASSIGNED)) {
    if (LETTERS_AND_MORE.test(value) && /[\d\p{S}\p{P}]/u.test(value.slice(0, -1)) && !STANDS_FOR_ANOTHER.test(value) && !CODE.test(value))
      return true
  }
  return scanner.has(visible)
}
