import { pointerToken } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import { ANYTHING, type Form, type OutputShape, outputShape } from '../core/output-shape.ts'
import { LIMITS } from '../limits.ts'

/**
 * What came of masking one JSON text. `pointers` are the places that were masked, `*` for items and members without a name of their own, sorted, at most
 * `LIMITS.maskedPlacesMax`.
 */
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

interface Member {
  /** Null where nothing declares the member, so that it is left out. */
  place: Place | null
  /** As pointers name it. */
  token: string
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
  readonly #members = new Map<string, Member>()
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

  member(name: string): Member {
    const known = this.#members.get(name)
    if (known) return known
    const token = pointerToken(name)
    const isDeclared = this.#names.has(name)
    const isNamed = isDeclared || this.#tries.some(({ children }) => children.has(token))
    const place = this.#memberPlace(name, this.#below(isDeclared ? [token] : [token, '*']))
    const member = { place, token: isNamed ? token : '*' }
    // Any name may come where none are declared: those are not remembered.
    if (isNamed) this.#members.set(name, member)
    return member
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

/** A place in one answer, by its pointer; items and members without a name of their own are one. */
class Trail {
  readonly #parent: Trail | null
  readonly #token: string
  readonly depth: number
  readonly #below = new Map<string, Trail>()

  constructor(parent: Trail | null, token: string) {
    this.#parent = parent
    this.#token = token
    this.depth = parent ? parent.depth + 1 : 0
  }

  below(token: string): Trail {
    let next = this.#below.get(token)
    if (!next) {
      if (this.depth >= LIMITS.maskedDepthMax) throw new Unlocatable(`it is nested deeper than ${LIMITS.maskedDepthMax} levels`)
      next = new Trail(this, token)
      this.#below.set(token, next)
    }
    return next
  }

  get pointer(): string {
    return this.#parent ? `${this.#parent.pointer}/${this.#token}` : ''
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Hides nothing, whatever form is declared: some systems answer with an empty list where an object is meant. */
const EMPTY = /^(?:null|""|\[\s*\]|\{\s*\})/
const EMPTY_CHARS_MAX = 8

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** One pass over a text that is known to be JSON. What stays is copied in as long pieces as there are, never written anew. */
class Walk {
  readonly #masked = new Set<Trail>()
  readonly #text: string
  #at = 0
  /** What lies between `#copied` and here is still to be copied. */
  #copied = 0
  #out = ''

  constructor(text: string) {
    this.#text = text
  }

  /** Pointers of what was masked. */
  get masked(): string[] {
    return [...this.#masked].map(({ pointer }) => pointer)
  }

  document(root: Place): string {
    if (root.refused) throw new Unlocatable('all of it is masked')
    this.#value(root, new Trail(null, ''))
    return this.#out + this.#text.slice(this.#copied)
  }

  #value(place: Place, trail: Trail): void {
    const code = this.#next()
    if (place.refused) {
      this.#copyTo(this.#at)
      this.#skip()
      this.#out += 'null'
      this.#copied = this.#at
      if (this.#masked.size < LIMITS.maskedPlacesMax) this.#masked.add(trail)
    } else if (place.free) this.#skip()
    else if (code === OPEN_BRACE && this.#has(place, 'object', trail)) this.#object(place, trail)
    else if (code === OPEN_BRACKET && this.#has(place, 'array', trail)) this.#array(place, trail)
    else {
      if (code !== OPEN_BRACE && code !== OPEN_BRACKET) this.#has(place, 'scalar', trail)
      this.#skip()
    }
  }

  /** Whether what starts here is of a form that is declared; false where it is empty. Throws where it is of another. */
  #has(place: Place, form: Form, trail: Trail): boolean {
    if (place.takes(form)) return true
    if (EMPTY.test(this.#text.slice(this.#at, this.#at + EMPTY_CHARS_MAX))) return false
    const { pointer } = trail
    throw new Unlocatable(`it does not have the declared form at ${pointer === '' ? 'its top' : `\`${pointer}\``}`)
  }

  #object(place: Place, trail: Trail): void {
    /** Where the last member that stays ends. */
    let end = ++this.#at
    let [stays, leaves] = [0, 0]
    while (this.#next() !== CLOSE_BRACE) {
      if (this.#text.charCodeAt(this.#at) === COMMA) {
        this.#at++
        this.#next()
      }
      const from = this.#at
      const { place: member, token } = place.member(this.#key())
      if (member) {
        // The comma before it belongs to what was left out.
        if (stays === 0 && leaves > 0) this.#copied = from
        stays++
        this.#value(member, trail.below(token))
        end = this.#at
      } else {
        this.#next()
        this.#skip()
        this.#copyTo(end)
        this.#copied = this.#at
        end = this.#at
        leaves++
      }
    }
    this.#at++
  }

  #array(place: Place, trail: Trail): void {
    const item = place.item()
    const below = trail.below('*')
    this.#at++
    while (this.#next() !== CLOSE_BRACKET) {
      if (this.#text.charCodeAt(this.#at) === COMMA) this.#at++
      this.#value(item, below)
    }
    this.#at++
  }

  #copyTo(end: number): void {
    this.#out += this.#text.slice(this.#copied, end)
  }

  /** A member's name as it reads once unescaped; past the colon. */
  #key(): string {
    const from = this.#at
    this.#string()
    const raw = this.#text.slice(from, this.#at)
    this.#next()
    this.#at++
    return raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1)
  }

  /** Code of the next character that is not white space. */
  #next(): number {
    let code = this.#text.charCodeAt(this.#at)
    while (isSpace(code)) code = this.#text.charCodeAt(++this.#at)
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
      } else if (code === COMMA || code === COLON) this.#at++
      else this.#word()
    } while (open > 0)
  }

  /** A number, true, false or null. */
  #word(): void {
    let code = this.#text.charCodeAt(this.#at)
    while (!Number.isNaN(code) && !isSpace(code) && code !== COMMA && code !== CLOSE_BRACE && code !== CLOSE_BRACKET)
      code = this.#text.charCodeAt(++this.#at)
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
