import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../../../gateway/core/json.ts'
import { decimalText, fitsDecimal, parseDecimal, tenThousandths } from '../../../gateway/core/decimal.ts'
import type { Operation } from '../../../gateway/core/operation.ts'
import { LIMITS } from '../../../gateway/limits.ts'
import type { CedarValue } from '../cedar.ts'
import type { RecordShape, Shape } from '../input-shape.ts'

/** Values of one attribute of the context that stand for all it can have: what holds for none of them never holds. */
export interface Domain {
  samples: readonly CedarValue[]
  /** What the operation takes, for people: `takes `EUR`, `USD``. Absent where it takes anything of the type. */
  says?: string
  /** All members, where they are listed. */
  members?: readonly string[]
}

/** Operators whose answer changes at constants only, so that constants and their neighbours stand for everything between them. */
const STEPWISE = new Set([
  ...['Value', 'Var', '.', '==', '!=', '<', '<=', '>', '>=', '&&', '||', '!', 'has', 'if-then-else', 'Set', 'contains'],
  ...['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual', 'decimal'],
])

const DOORS = ['graphql', 'http', 'mcp']

/** The domain of a path in an operation's context for these conditions; undefined where no finite choice stands for it. */
export function domainOf(
  path: readonly string[],
  operation: Operation,
  context: RecordShape,
  conditions: readonly JsonObject[],
): Domain | undefined {
  const shape = shapeAt(context, path)
  if (!shape) return undefined
  const limits = path[0] === 'input' ? constraintsAt(operation.inputSchema, path.slice(1)) : {}
  if (!limits) return undefined
  const members = path.join('.') === 'door' ? DOORS : limits.members
  if (shape.kind === 'bool') return { samples: [true, false] }
  if (shape.kind === 'string' && members)
    return { samples: members, members, says: `takes ${members.map((one) => `\`${one}\``).join(', ')}` }
  const { constants, operators } = readConstants(conditions)
  if (![...operators].every((operator) => STEPWISE.has(operator))) return undefined
  if (shape.kind === 'string') return { samples: [...constants.filter((one) => typeof one === 'string'), OTHER_TEXT] }
  if (shape.kind === 'long') return numbers(limits, constants.filter((one) => typeof one === 'number').map(BigInt), LONG)
  if (shape.kind !== 'decimal' && shape.kind !== 'amount') return undefined
  return numbers(
    limits,
    constants.flatMap((one) => (typeof one === 'string' ? (parseDecimal(one) ?? []) : [])),
    DECIMAL,
  )
}

/** No constant of any policy. */
const OTHER_TEXT = '\u0001'

interface Unit {
  most: bigint
  from(value: number): bigint | undefined
  value(units: bigint): CedarValue
}
const LONG: Unit = {
  most: BigInt(Number.MAX_SAFE_INTEGER),
  from: (value) => (Number.isSafeInteger(value) ? BigInt(value) : undefined),
  value: Number,
}
const DECIMAL: Unit = { most: 2n ** 63n - 1n, from: tenThousandths, value: decimalText }

function numbers({ minimum, maximum, above, below }: Constraints, constants: readonly bigint[], unit: Unit): Domain {
  const least = minimum === undefined ? undefined : unit.from(minimum)
  const over = above === undefined ? undefined : unit.from(above)
  const most = maximum === undefined ? undefined : unit.from(maximum)
  const under = below === undefined ? undefined : unit.from(below)
  const from = [least, over === undefined ? undefined : over + 1n, -unit.most]
    .filter((one) => one !== undefined)
    .reduce((a, b) => (a > b ? a : b))
  const to = [most, under === undefined ? undefined : under - 1n, unit.most]
    .filter((one) => one !== undefined)
    .reduce((a, b) => (a < b ? a : b))
  const samples = [from, to, ...constants.flatMap((one) => [one - 1n, one, one + 1n])].filter(
    (one) => one >= from && one <= to && fitsDecimal(one),
  )
  const bounds = [minimum ?? above, maximum ?? below]
  const says =
    bounds[0] === undefined && bounds[1] === undefined
      ? undefined
      : `takes ${[bounds[0] === undefined ? '' : `${minimum === undefined ? 'more than' : 'at least'} ${bounds[0]}`, bounds[1] === undefined ? '' : `${maximum === undefined ? 'less than' : 'at most'} ${bounds[1]}`].filter(Boolean).join(' and ')}`
  return { samples: [...new Set(samples)].map((one) => unit.value(one)), ...(says !== undefined && { says }) }
}

function shapeAt(shape: Shape, path: readonly string[]): Shape | undefined {
  const [name, ...rest] = path
  if (name === undefined) return shape
  if (shape.kind === 'union') return rest.length === 0 ? shape.variants.get(name as never) : undefined
  const field = shape.kind === 'record' ? shape.fields.get(name) : undefined
  return field && shapeAt(field.shape, rest)
}

interface Constraints {
  members?: readonly string[]
  minimum?: number
  maximum?: number
  above?: number
  below?: number
}

/** What a schema says of the values at a path. Undefined where alternatives make it unclear; nothing is said where the path leads to a variant. */
function constraintsAt(root: JsonObject, path: readonly string[]): Constraints | undefined {
  let parts: JsonObject[] | undefined = flat(root, root)
  for (const name of path) {
    if (/^as(String|Long|Decimal|Bool|Set|Record)$/.test(name)) return {}
    parts = parts?.flatMap((part) => {
      const own = isJsonObject(part.properties) ? part.properties[name] : undefined
      return isJsonObject(own) ? (flat(own, root) ?? [{ oneOf: [] }]) : []
    })
  }
  if (!parts || parts.some((part) => part.oneOf !== undefined || part.anyOf !== undefined || part.not !== undefined)) return undefined
  const number = (key: string): number | undefined => parts.map((part) => part[key]).find((value) => typeof value === 'number')
  const lists = parts.flatMap((part): JsonValue[][] =>
    'const' in part ? [[part.const ?? null]] : Array.isArray(part.enum) ? [part.enum] : [],
  )
  const members = lists[0]?.filter((one) => typeof one === 'string' && lists.every((list) => list.includes(one))) as string[] | undefined
  const bounds = {
    minimum: number('minimum'),
    maximum: number('maximum'),
    above: number('exclusiveMinimum'),
    below: number('exclusiveMaximum'),
  }
  const known = Object.fromEntries(Object.entries(bounds).filter(([, value]) => value !== undefined))
  return { ...known, ...(members && { members }) }
}

/** A schema with what it refers to and all its `allOf`s, as a list; undefined where that does not end. */
function flat(schema: JsonObject, root: JsonObject, depth = 0): JsonObject[] | undefined {
  if (depth > LIMITS.schemaDepthMax) return undefined
  const { $ref: ref } = schema
  const target = typeof ref === 'string' && ref.startsWith('#') ? atPointer(root, decodeURIComponent(ref.slice(1))) : undefined
  const further = [target, ...(Array.isArray(schema.allOf) ? schema.allOf : [])]
    .filter(isJsonObject)
    .map((one) => flat(one, root, depth + 1))
  if (further.some((one) => one === undefined)) return undefined
  return [schema, ...further.flatMap((one) => one ?? [])]
}

/** Literals and operators of conditions in Cedar's JSON policy format. */
function readConstants(conditions: readonly JsonObject[]): { constants: readonly (string | number)[]; operators: ReadonlySet<string> } {
  const constants: (string | number)[] = []
  const operators = new Set<string>()
  const look = (expr: JsonValue | undefined): void => {
    if (Array.isArray(expr)) for (const one of expr) look(one)
    if (!isJsonObject(expr)) return
    for (const [operator, body] of Object.entries(expr)) {
      operators.add(operator)
      if (operator === 'Value') {
        if (typeof body === 'string' || typeof body === 'number') constants.push(body)
        // An entity or a set that the format writes as a value.
        else if (typeof body === 'object') operators.add('Entity')
      } else if (operator !== 'Var' && isJsonObject(body))
        for (const [name, one] of Object.entries(body)) if (name !== 'attr' && name !== 'pattern') look(one)
      if (Array.isArray(body)) look(body)
    }
  }
  for (const { conditions: clauses } of conditions)
    for (const clause of Array.isArray(clauses) ? clauses : []) look(isJsonObject(clause) ? clause.body : undefined)
  return { constants, operators }
}
