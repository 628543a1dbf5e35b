import { pointerToken } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import { ANYTHING, type Form, type OutputShape, outputShape } from '../core/output-shape.ts'
import { LIMITS } from '../limits.ts'

/** What came of masking one JSON text. `pointers` are the places that were masked, `*` for items and members without a name of their own, sorted. */
export type Masked = { kind: 'masked'; text: string; pointers: readonly string[] } | { kind: 'unlocatable'; why: string }

/**
 * Hides refused data classes in answers of one operation. Each refused field is `null`; members that the output schema does not declare are left out, since
 * nobody can tell what they hold; everything else stays as it came, numbers to the digit. `unlocatable` where the text is not JSON or does not have the declared
 * form, so that a refused value could be anywhere. Pure; linear in the text.
 */
export type Mask = (text: string) => Masked

/** The mask of an operation for a caller who may not read these classes; none where nothing is refused. Compiled once for each set of classes. */
export function maskFor(operation: Operation, refused: ReadonlySet<string>): Mask | undefined {
  if (refused.size === 0) return undefined
  const key = [...refused].sort().join('\n')
  const known = masks.get(operation) ?? new Map<string, Mask>()
  masks.set(operation, known)
  let mask = known.get(key)
  if (!mask) {
    if (known.size >= LIMITS.masksPerOperationMax) known.clear()
    mask = compile(operation, refused)
    known.set(key, mask)
  }
  return mask
}

const masks = new WeakMap<Operation, Map<string, Mask>>()

function compile(operation: Operation, refused: ReadonlySet<string>): Mask {
  const places = new Places(refused)
  const shape = operation.outputSchema ? outputShape(operation.outputSchema) : ANYTHING
  const root = places.of(shape, [trieOf(operation.dataClasses, refused)])
  return (text) => {
    try {
      JSON.parse(text)
    } catch {
      return { kind: 'unlocatable', why: 'it is not JSON' }
    }
    try {
      const walk = new Walk(text)
      return { kind: 'masked', text: walk.document(root), pointers: [...walk.masked].sort() }
    } catch (error) {
      if (error instanceof Unlocatable) return { kind: 'unlocatable', why: error.message }
      throw error
    }
  }
}

class Unlocatable extends Error {}

/** Declared classes by pointer token. */
interface Trie {
  /** What this very place was given; an empty list takes away what the document says. */
  classes?: readonly string[]
  children: Map<string, Trie>
  /** A refused class lies below: a value of another form would hide where. */
  leads: boolean
}

function trieOf(dataClasses: Operation['dataClasses'], refused: ReadonlySet<string>): Trie {
  const root: Trie = { children: new Map(), leads: false }
  for (const [pointer, classes] of Object.entries(dataClasses)) {
    const refuses = classes.some((name) => refused.has(name))
    let here = root
    for (const token of pointer.split('/').slice(1)) {
      if (refuses) here.leads = true
      const next: Trie = here.children.get(token) ?? { children: new Map(), leads: false }
      here.children.set(token, next)
      here = next
    }
    here.classes = classes
  }
  return root
}

/** What is known of one place in the answers: the declared form, or only what the manifest's pointers say of it. */
class Place {
  readonly refused: boolean
  /** Only pointers say what is here: what they do not name stays. */
  readonly #structural: boolean
  readonly #places: Places
  readonly #shape: OutputShape | undefined
  readonly #tries: readonly Trie[]
  /** Declared by name in the schema. */
  readonly #names: ReadonlySet<string>
  readonly #members = new Map<string, Place | null>()
  #item: Place | undefined

  constructor(places: Places, shape: OutputShape | undefined, tries: readonly Trie[]) {
    const described = tries.flatMap(({ classes }) => (classes ? [classes] : []))
    const own = described.some((classes) => classes.length === 0) ? [] : (shape?.classes ?? [])
    this.refused = [...described.flat(), ...own].some((name) => places.refused.has(name))
    this.#structural = shape === undefined || (isBare(shape) && tries.some(({ children }) => children.size > 0))
    this.#places = places
    this.#shape = shape
    this.#tries = tries
    this.#names = new Set(shape?.names)
  }

  /** All that is here may be handed on as it is. */
  get free(): boolean {
    return this.#shape === undefined && this.#tries.length === 0
  }

  takes(form: Form): boolean {
    if (!this.#structural) return this.#shape?.takes(form) ?? true
    if (form === 'scalar') return !this.#tries.some(({ leads }) => leads)
    if (form === 'object') return true
    // A list where pointers name members: which of its items they mean cannot be told.
    return !this.#tries.some(({ children }) =>
      [...children].some(([token, { classes, leads }]) => token !== '*' && (leads || this.#places.refuses(classes))),
    )
  }

  /** Null where nothing declares the member, so that it is left out. */
  member(name: string): Place | null {
    const known = this.#members.get(name)
    if (known !== undefined) return known
    const token = pointerToken(name)
    const isNamed = this.#names.has(name)
    const tries = this.#below(isNamed ? [token] : [token, '*'])
    const place = this.#memberPlace(name, tries)
    if (isNamed || this.#tries.some(({ children }) => children.has(token))) this.#members.set(name, place)
    return place
  }

  #memberPlace(name: string, tries: readonly Trie[]): Place | null {
    if (this.#structural) return this.#places.of(undefined, tries)
    const shape = this.#shape?.member(name)
    if (shape) return this.#places.of(shape, tries)
    return tries.length > 0 && this.#shape?.open ? this.#places.of(undefined, tries) : null
  }

  item(): Place {
    if (!this.#item) {
      const shape = this.#structural ? undefined : (this.#shape?.items ?? ANYTHING)
      this.#item = this.#places.of(shape, this.#below(['*']))
    }
    return this.#item
  }

  token(name: string): string {
    const token = pointerToken(name)
    return this.#names.has(name) || this.#tries.some(({ children }) => children.has(token)) ? token : '*'
  }

  #below(tokens: readonly string[]): Trie[] {
    return this.#tries.flatMap(({ children }) =>
      tokens.flatMap((token) => {
        const child = children.get(token)
        return child ? [child] : []
      }),
    )
  }
}

/** Nothing is declared inside. */
const isBare = ({ names, rest, items }: OutputShape): boolean => names.length === 0 && rest === undefined && items === undefined

class Places {
  readonly refused: ReadonlySet<string>
  readonly #ids = new Map<OutputShape | Trie, number>()
  readonly #known = new Map<string, Place>()

  constructor(refused: ReadonlySet<string>) {
    this.refused = refused
  }

  refuses(classes: readonly string[] | undefined): boolean {
    return classes?.some((name) => this.refused.has(name)) ?? false
  }

  of(shape: OutputShape | undefined, tries: readonly Trie[]): Place {
    const key = `${shape ? this.#id(shape) : ''}:${tries.map((trie) => this.#id(trie)).join(' ')}`
    const known = this.#known.get(key)
    if (known) return known
    const place = new Place(this, shape, tries)
    this.#known.set(key, place)
    return place
  }

  #id(of: OutputShape | Trie): number {
    const id = this.#ids.get(of) ?? this.#ids.size
    this.#ids.set(of, id)
    return id
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const SCALAR_END = /[\s,\]}]|$/g

/** One pass over a text that is known to be JSON. What stays is copied, never written anew. */
class Walk {
  readonly masked = new Set<string>()
  readonly #text: string
  readonly #path: string[] = []
  #at = 0
  #out = ''

  constructor(text: string) {
    this.#text = text
  }

  document(root: Place): string {
    if (root.refused) throw new Unlocatable('all of it is masked')
    this.#value(root)
    return this.#out
  }

  #value(place: Place): void {
    const code = this.#next()
    const from = this.#at
    if (place.refused) {
      this.#skip()
      this.#tell()
      this.#out += 'null'
    } else if (place.free) {
      this.#skip()
      this.#out += this.#text.slice(from, this.#at)
    } else if (code === OPEN_BRACE) this.#object(place)
    else if (code === OPEN_BRACKET) this.#array(place)
    else {
      this.#skip()
      const text = this.#text.slice(from, this.#at)
      if (text !== 'null') this.#expect(place, 'scalar')
      this.#out += text
    }
  }

  #object(place: Place): void {
    this.#expect(place, 'object')
    this.#out += '{'
    let isFirst = true
    for (this.#at++; this.#next() !== CLOSE_BRACE; ) {
      if (this.#text.charCodeAt(this.#at) === COMMA) {
        this.#at++
        this.#next()
      }
      const from = this.#at
      this.#skip()
      const key = this.#text.slice(from, this.#at)
      this.#next()
      // The colon.
      this.#at++
      const name = JSON.parse(key) as string
      const member = place.member(name)
      if (member === null) {
        this.#next()
        this.#skip()
        continue
      }
      this.#out += `${isFirst ? '' : ','}${key}:`
      isFirst = false
      this.#inside(place.token(name), member)
    }
    this.#at++
    this.#out += '}'
  }

  #array(place: Place): void {
    this.#expect(place, 'array')
    this.#out += '['
    const item = place.item()
    let isFirst = true
    for (this.#at++; this.#next() !== CLOSE_BRACKET; ) {
      if (this.#text.charCodeAt(this.#at) === COMMA) this.#at++
      this.#out += isFirst ? '' : ','
      isFirst = false
      this.#inside('*', item)
    }
    this.#at++
    this.#out += ']'
  }

  #inside(token: string, place: Place): void {
    if (this.#path.length >= LIMITS.maskedDepthMax) throw new Unlocatable(`it is nested deeper than ${LIMITS.maskedDepthMax} levels`)
    this.#path.push(token)
    this.#value(place)
    this.#path.pop()
  }

  #expect(place: Place, form: Form): void {
    if (place.takes(form)) return
    const where = this.#path.length === 0 ? 'its top' : `\`/${this.#path.join('/')}\``
    throw new Unlocatable(`it does not have the declared form at ${where}`)
  }

  #tell(): void {
    if (this.masked.size < LIMITS.maskedPlacesMax) this.masked.add(`/${this.#path.join('/')}`)
  }

  /** Code of the next character that is not white space. */
  #next(): number {
    let code = this.#text.charCodeAt(this.#at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at)
    return code
  }

  /** Past the value that starts here, however deep it is. */
  #skip(): void {
    let open = 0
    do {
      const code = this.#next()
      if (code === QUOTE) this.#string()
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        open++
        this.#at++
      } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        open--
        this.#at++
      } else if (code === COMMA || code === 0x3a) this.#at++
      else {
        SCALAR_END.lastIndex = this.#at
        this.#at = SCALAR_END.exec(this.#text)?.index ?? this.#text.length
      }
    } while (open > 0)
  }

  #string(): void {
    for (let at = this.#at + 1; ; ) {
      const quote = this.#text.indexOf('"', at)
      let slashes = quote
      while (this.#text.charCodeAt(slashes - 1) === BACKSLASH) slashes--
      at = quote + 1
      if ((quote - slashes) % 2 === 0) {
        this.#at = at
        return
      }
    }
  }
}
