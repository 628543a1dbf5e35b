import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { Catalogue, Operation } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { inputShape, type Shape } from './input-shape.ts'
import { isPointer, pointersOf, shapesAt } from './pointer-shape.ts'
import { nearest } from './policy-text.ts'

/** `: did you mean ...?` where something is near, else what can be written. */
export function meant(word: string, candidates: Iterable<string>, otherwise: string): string {
  const near = nearest(word, candidates)
  return near === undefined ? otherwise : `did you mean \`${near}\`?`
}

/** One fact as it stands in the file. Every read says what is wrong at its place; `faulty` once anything was. */
export class Declaration {
  readonly name: string
  readonly body: JsonObject
  faulty = false
  readonly #catalogue: Catalogue
  readonly #fault: (keys: readonly (string | number)[], message: string) => void

  constructor(name: string, body: JsonObject, catalogue: Catalogue, fault: (keys: readonly (string | number)[], message: string) => void) {
    this.name = name
    this.body = body
    this.#catalogue = catalogue
    this.#fault = fault
  }

  /** `keys` lead from the fact to the place. */
  fault(keys: readonly (string | number)[], message: string): void {
    this.faulty = true
    this.#fault(keys, message)
  }

  refuseOtherKeys(known: readonly string[]): void {
    for (const key of Object.keys(this.body))
      if (!known.includes(key))
        this.fault([key], `unknown key \`${key}\`: ${meant(key, known, `use ${known.map((k) => `\`${k}\``).join(', ')}`)}`)
  }

  /** The one key among `kinds` that the fact has. */
  kind<T extends string>(kinds: readonly T[]): T | undefined {
    const present = kinds.filter((kind) => this.body[kind] !== undefined)
    if (present.length === 1) return present[0]
    const all = kinds.map((kind) => `\`${kind}\``).join(', ')
    const [strange] = Object.keys(this.body).filter((key) => nearest(key, kinds) !== undefined && !present.includes(key as T))
    if (present.length > 1) this.fault([], `\`${this.name}\` says ${present.length} things at once: keep one of ${all}`)
    else this.fault([], `\`${this.name}\` says not what it is: ${strange ? meant(strange, kinds, '') : `give one of ${all}`}`)
    return undefined
  }

  choice<T extends string>(key: string, options: readonly T[], fallback: T): T {
    const value = this.body[key]
    if (value === undefined) return fallback
    const known = options.find((option) => option === value)
    if (known === undefined) {
      const all = options.map((option) => `\`${option}\``).join(', ')
      this.fault([key], `\`${key}\` is \`${shown(value)}\`: ${meant(shown(value), options, `use one of ${all}`)}`)
    }
    return known ?? fallback
  }

  /** One pointer or a list of them, well-formed; what they lead to is checked where it is known which operation. */
  pointers(keys: readonly (string | number)[], value: JsonValue | undefined): readonly string[] {
    if (value === undefined || value === null) return []
    const list = Array.isArray(value) ? value : [value]
    if (list.length === 0 || list.length > LIMITS.factPointersMax)
      this.fault(keys, `${list.length} pointers: give 1 to ${LIMITS.factPointersMax}`)
    const good: string[] = []
    list.forEach((pointer, index) => {
      if (typeof pointer === 'string' && isPointer(pointer)) good.push(pointer)
      else {
        const hint = typeof pointer === 'string' && pointer.startsWith('/') ? 'escape `~` as `~0`' : 'start it with `/`'
        this.fault(Array.isArray(value) ? [...keys, index] : keys, `\`${shown(pointer)}\` is no pointer: ${hint}, as in \`/amount\``)
      }
    })
    return good
  }

  operation(keys: readonly (string | number)[], id: JsonValue): Operation | undefined {
    const known = this.#catalogue.operations.get(shown(id) as OperationId)
    if (!known)
      this.fault(
        keys,
        `there is no operation \`${shown(id)}\`: ${meant(shown(id), this.#catalogue.operations.keys(), 'write `connector.operation`')}`,
      )
    return known
  }

  /** What stands at a pointer of an operation's arguments; a fault where there is nothing. */
  shapes(keys: readonly (string | number)[], operation: Operation, pointer: string): readonly Shape[] {
    const shape = inputShape(operation.inputSchema)
    const found = shapesAt(shape, pointer)
    if (!found)
      this.fault(
        keys,
        `\`${operation.id}\` has nothing at \`${pointer}\`: ${meant(pointer, pointersOf(shape), 'name a place in its arguments')}`,
      )
    return found ?? []
  }
}

export const shown = (value: JsonValue): string => (typeof value === 'string' ? value : isJsonObject(value) ? '{...}' : String(value))

/** The words for what policy can compare: whole numbers and others are one. */
const kindOf = ({ kind }: Shape): string => (kind === 'long' ? 'decimal' : kind)

const SCALAR = new Set(['string', 'decimal', 'bool'])

/** The one scalar kind of all shapes; undefined where they differ or are none. */
export function scalarKind(shapes: readonly Shape[]): string | undefined {
  const [first, ...more] = new Set(shapes.map(kindOf))
  return first !== undefined && more.length === 0 && SCALAR.has(first) ? first : undefined
}
