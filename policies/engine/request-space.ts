import { instant, type Instant } from '../../gateway/core/clock.ts'
import { decimalText, parseDecimal } from '../../gateway/core/decimal.ts'
import type { Facts } from '../../gateway/core/facts.ts'
import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { type Operation, resourceOf } from '../../gateway/core/operation.ts'
import type { Agent, Person } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import { boundaryValues, distinct } from './boundary-values.ts'
import { type Atom, type Literals, mergeLiterals, newLiterals, type Path } from './atoms.ts'
import { resourceTypes } from './cedar-schema.ts'
import { FactPlaces, placeOfPointer, withPlace } from './fact-places.ts'
import type { OperationFacts } from './facts-file.ts'
import type { RecordShape, Shape } from './input-shape.ts'
import { SchemaSamples } from './schema-samples.ts'

/** An agent or a person to ask about. `registered` is false for one that was made up, since none of the known ones has what a policy names. */
export type Candidate<T> = { readonly who: T; readonly registered: boolean }

/** One thing in which requests can differ, with the values that are worth trying. The first value is the plainest. */
export type Dimension =
  | { readonly kind: 'agent'; readonly name: 'agent'; readonly values: readonly Candidate<Agent>[] }
  | { readonly kind: 'subject'; readonly name: 'subject'; readonly values: readonly (Candidate<Person> | undefined)[] }
  /** A value in `context`; undefined is absent. */
  | { readonly kind: 'value'; readonly name: string; readonly path: readonly string[]; readonly values: readonly (JsonValue | undefined)[] }
  /** Whether an optional record in `context` is there. */
  | { readonly kind: 'presence'; readonly name: string; readonly path: readonly string[]; readonly values: readonly boolean[] }

/** For each dimension the index of its value. */
export type Assignment = readonly number[]

/** As whom a condition is asked: `principal` is the agent, or the person it acts for. */
export type AskedAs = 'agent' | 'person'

export interface SpaceOptions {
  readonly operation: Operation
  /** Of both policy sets. */
  readonly atoms: readonly Atom[]
  /** What the policies of both sets look at in `context`. */
  readonly shape: RecordShape
  /** All of `context`. */
  readonly full: RecordShape
  /** What each set declares for the operation. */
  readonly facts: readonly OperationFacts[]
  readonly agents: readonly Candidate<Agent>[]
  readonly subjects: readonly (Candidate<Person> | undefined)[]
  /** What `now` lies around. */
  readonly base: Instant
}

interface Place {
  readonly path: readonly string[]
  readonly shape: Shape
  readonly optional: boolean
}

/** All requests for one operation that its policies might tell apart. */
export class RequestSpace {
  /** There were more values, agents or people than the bounds take. */
  cut = false
  readonly dimensions: readonly Dimension[]
  readonly #operation: Operation
  readonly #base: Instant
  readonly #samples: SchemaSamples
  readonly #places: readonly Place[]
  readonly #presences: readonly (readonly string[])[]
  /** Records that are always there, outermost first. */
  readonly #records: readonly (readonly string[])[]
  readonly #facts: FactPlaces
  /** Some fact that conditions look at is read from a clock. */
  readonly #clocked: boolean
  readonly #indexes: ReadonlyMap<string, number>

  constructor(options: SpaceOptions) {
    this.#operation = options.operation
    this.#base = options.base
    this.#samples = new SchemaSamples(options.operation.inputSchema)
    this.#facts = new FactPlaces(options.operation, options.facts)
    const paths = options.atoms.flatMap((atom) => atom.paths)
    this.#clocked = paths.some(({ variable, path: [root = '', name = ''] }) => variable === 'context' && this.#facts.readsClock(root, name))
    const { places, presences, records } = placesOf(this.#reached(options), [])
    this.#places = places
    this.#presences = presences
    this.#records = records
    this.dimensions = this.#dimensions(options)
    this.#indexes = new Map(this.dimensions.map(({ name }, index) => [name, index]))
  }

  /** The plainest request. */
  get plainest(): Assignment {
    return this.dimensions.map(() => 0)
  }

  /** The dimensions that an atom's result depends on. */
  reached({ paths }: Pick<Atom, 'paths'>, as: AskedAs): readonly number[] {
    const names = paths.flatMap((path) => this.#namesOf(path, as))
    return [...new Set(names.flatMap((name) => this.#indexes.get(name) ?? []))].sort((a, b) => a - b)
  }

  /** The question that an assignment stands for; undefined where its facts contradict its arguments. */
  question(assignment: Assignment): Question | undefined {
    const { agent, subject, values, without } = this.#chosen(assignment)
    const context: JsonObject = { input: this.#samples.sample() }
    for (const path of this.#records) if (!without.some((absent) => isWithin(path, absent))) put(context, path, atPath(context, path) ?? {})
    for (const { path, value } of values) if (!without.some((absent) => isWithin(path, absent))) put(context, path, value)
    const input = isJsonObject(context.input) ? context.input : {}
    const resourceKey = resourceOf(this.#operation, input, atPointer)
    const { now, door, rationale, run, decisionRecord } = context
    const question: Question = {
      operation: this.#operation,
      principal: {
        agent,
        ...(subject === undefined ? {} : { subject: subject.who.name }),
        actors: [agent.name],
        issuer: 'diff',
        tokenExpiresAtMs: 0,
      },
      ...(subject === undefined ? {} : { person: subject.who }),
      ...(resourceKey === undefined ? {} : { resourceKey }),
      input,
      now: typeof now === 'string' ? instant(Date.parse(now)) : this.#base,
      door: door === 'graphql' || door === 'http' ? door : 'mcp',
      ...(typeof rationale === 'string' ? { rationale } : {}),
      ...(typeof run === 'string' ? { run } : {}),
      ...(isJsonObject(decisionRecord) ? { decisionRecord: recordOf(decisionRecord) } : {}),
      facts: this.#factsOf(context, input, subject !== undefined),
    }
    return this.#facts.isPossible(question) ? question : undefined
  }

  /** The plainest history is what the present call alone comes to. */
  #factsOf({ history, lookup, labels, findings }: JsonObject, input: JsonObject, subject: boolean): Facts {
    const counted = Object.entries(isJsonObject(history) ? history : {}).map(([name, value]): [string, JsonValue] => [
      name,
      value === PLAINEST ? this.#facts.least(name, input) : value,
    ])
    return {
      history: this.#facts.known(Object.fromEntries(counted), subject),
      lookup: isJsonObject(lookup) ? lookup : {},
      ...(labels === undefined ? {} : { labels: textsOf(labels) }),
      ...(findings === undefined ? {} : { findings: textsOf(findings) }),
    }
  }

  /** What an assignment stands for, by the dimensions' names; absent values are null. */
  described(assignment: Assignment): {
    agent: Candidate<Agent>
    subject: Candidate<Person> | undefined
    values: { dimension: number; name: string; value: JsonValue; plain: boolean }[]
  } {
    const [first] = this.dimensions
    const agent = first?.kind === 'agent' ? first.values[assignment[0] ?? 0] : undefined
    if (!agent) throw new Error('unreachable: there is always an agent to ask for')
    const second = this.dimensions[1]
    const history = this.question(assignment)?.facts.history ?? {}
    const values = this.dimensions.flatMap((dimension, i) => {
      if (dimension.kind !== 'value') return []
      const at = assignment[i] ?? 0
      const value = dimension.values[at] ?? null
      const [root = '', fact = ''] = dimension.path
      const own = root === 'history' ? (history[fact] ?? null) : value
      return [{ dimension: i, name: dimension.name, value: own, plain: at === 0 }]
    })
    return { agent, subject: second?.kind === 'subject' ? second.values[assignment[1] ?? 0] : undefined, values }
  }

  #chosen(assignment: Assignment) {
    let agent: Agent | undefined
    let subject: Candidate<Person> | undefined
    const values: { path: readonly string[]; value: JsonValue | undefined }[] = []
    const without: (readonly string[])[] = []
    this.dimensions.forEach((dimension, i) => {
      const at = assignment[i] ?? 0
      if (dimension.kind === 'agent') agent = dimension.values[at]?.who
      else if (dimension.kind === 'subject') subject = dimension.values[at]
      else if (dimension.kind === 'value') values.push({ path: dimension.path, value: dimension.values[at] ?? absentAt(dimension.path) })
      else if (dimension.values[at] === true) values.push({ path: dimension.path, value: {} })
      else without.push(dimension.path)
    })
    if (!agent) throw new Error('unreachable: there is always an agent to ask for')
    // Outer records first, so that inner values find their place.
    return { agent, subject, without, values: values.sort((a, b) => a.path.length - b.path.length) }
  }

  #dimensions({ atoms, agents, subjects, base }: SpaceOptions): Dimension[] {
    const literals = new Map<string, Literals>()
    const linked: string[][] = []
    for (const atom of atoms) {
      const names = [...new Set(atom.paths.flatMap((path) => this.#namesOf(path, 'agent')))]
      for (const name of names) {
        const own = literals.get(name) ?? newLiterals()
        mergeLiterals(own, atom.literals)
        literals.set(name, own)
      }
      if (names.length > 1) linked.push(names)
    }
    const values = new Map<string, JsonValue[]>()
    const behind = new Map<string, string[]>()
    for (const pointer of this.#pointersBehind(atoms)) {
      const name = nameOf(placeOfPointer(pointer))
      behind.set(name, [...(behind.get(name) ?? []), pointer])
    }
    for (const place of this.#places) {
      const name = nameOf(place.path)
      values.set(name, this.#valuesAt(place, literals.get(name), base, behind.get(name) ?? []))
      this.cut ||= (literals.get(name)?.patterns.size ?? 0) > LIMITS.boundaryPatternsMax
    }
    this.#exchange(values, linked, attributesOf(agents, subjects))
    this.cut ||= agents.length >= LIMITS.boundaryAgentsMax || subjects.length >= LIMITS.boundaryPeopleMax
    for (const [name, own] of values) {
      this.cut ||= own.length > LIMITS.boundaryValuesMax
      values.set(name, own.slice(0, LIMITS.boundaryValuesMax))
    }
    return [
      { kind: 'agent', name: 'agent', values: agents },
      { kind: 'subject', name: 'subject', values: subjects },
      ...this.#presences.map((path): Dimension => ({ kind: 'presence', name: `${nameOf(path)}?`, path, values: [false, true] })),
      ...this.#places.map(({ path, optional }): Dimension => {
        const own = values.get(nameOf(path)) ?? []
        return { kind: 'value', name: nameOf(path), path, values: optional ? [undefined, ...own] : own }
      }),
    ]
  }

  #valuesAt({ path, shape }: Place, literals: Literals = newLiterals(), base: Instant, behind: readonly string[]): JsonValue[] {
    const [root = '', ...below] = path
    const schema = root === 'input' ? this.#samples.at(below) : undefined
    const plain = schema && { items: this.#samples.items(schema), formed: this.#samples.isFormed(schema) }
    const found = boundaryValues(shape, literals, base, plain)
    if (root === 'door') return ['mcp', 'graphql', 'http']
    if (root === 'rationale') return distinct([...found, ...textsAround(literals)])
    if (root === 'history') return distinct([...(shape.kind === 'datetime' ? [] : [PLAINEST]), ...found.filter(isPlausible)])
    if (root === 'now' && this.#clocked) return distinct([...found, ...this.#facts.moments(literals, base)])
    if (root !== 'input') return [...found]
    const made = behind.flatMap((pointer) => this.#facts.valuesFor(pointer, literals, this.#samples))
    if (!schema) return distinct([...made, ...found])
    const values = distinct([this.#samples.sample(schema), ...made, ...found, ...this.#samples.values(schema)])
    const taken = values.filter((value) => value !== null && this.#samples.takes(schema, value))
    return taken.length > 0 ? taken : values.filter((value) => value !== null)
  }

  /** Places that are compared with each other try each other's values, and those of the people who ask. */
  #exchange(values: Map<string, JsonValue[]>, linked: readonly string[][], asking: ReadonlyMap<string, readonly JsonValue[]>): void {
    const before = new Map([...values].map(([name, own]) => [name, [...own]]))
    for (const names of linked) {
      for (const name of names) {
        const place = this.#places.find(({ path }) => nameOf(path) === name)
        if (!place) continue
        const others = names.filter((other) => other !== name).flatMap((other) => before.get(other) ?? asking.get(other) ?? [])
        const fitting = asHeld(place.shape, others)
        const schema = place.path[0] === 'input' ? this.#samples.at(place.path.slice(1)) : undefined
        const taken = fitting.filter((value) => !schema || this.#samples.takes(schema, value))
        values.set(name, distinct([...(values.get(name) ?? []), ...taken]))
      }
    }
  }

  #namesOf({ variable, path }: Path, as: AskedAs): readonly string[] {
    if (variable === 'principal') return [as === 'agent' ? 'agent' : 'subject']
    if (variable === 'resource') {
      const at = this.#operation.businessKey?.at
      return at === undefined ? [] : this.#below(['input', ...at.split('/').slice(1)])
    }
    if (variable !== 'context') return []
    const [root = '', name] = path
    if (root === 'subject') return ['subject']
    if (root === 'rationaleChars') return ['rationale']
    if (name === undefined) return [...(root === '' ? ['subject'] : []), ...this.#below(path)]
    const behind = this.#facts.pointersOf(root, name).flatMap((pointer) => this.#below(placeOfPointer(pointer)))
    const clock = this.#facts.readsClock(root, name) ? ['now'] : []
    return [...(this.#facts.needsSubject(root, name) ? ['subject'] : []), ...clock, ...behind, ...this.#below(path)]
  }

  /** The argument pointers behind all facts that the atoms look at. */
  #pointersBehind(atoms: readonly Atom[]): readonly string[] {
    const paths = atoms.flatMap(({ paths }) => paths).filter(({ variable }) => variable === 'context')
    return [...new Set(paths.flatMap(({ path: [root = '', name = ''] }) => this.#facts.pointersOf(root, name)))]
  }

  /** What the policies look at, and the arguments behind the facts that they look at. */
  #reached({ shape, full, operation, atoms }: SpaceOptions): RecordShape {
    const { derived: _derived, rationaleChars, ...rest } = Object.fromEntries(shape.fields)
    const behind = [...(this.#clocked ? ['now'] : []), ...(rationaleChars ? ['rationale'] : [])].flatMap((name) => {
      const field = full.fields.get(name)
      return field ? [[name, field] as const] : []
    })
    const plain: RecordShape = { kind: 'record', fields: new Map([...Object.entries(rest), ...behind]) }
    return this.#pointersBehind(atoms).reduce(
      (all, pointer) => withPlace(all, full, placeOfPointer(pointer)),
      withKey(plain, operation, atoms),
    )
  }

  /** The places at, under and above a path: a value depends on the records that it lies in being there. */
  #below(path: readonly string[]): readonly string[] {
    const at = this.#places.filter((place) => isWithin(place.path, path) || isWithin(path, place.path)).map((place) => nameOf(place.path))
    const records = this.#presences.filter((record) => isWithin(path, record) || isWithin(record, path)).map((r) => `${nameOf(r)}?`)
    return [...at, ...records]
  }
}

const nameOf = (path: readonly string[]): string => path.join('.')
const isWithin = (path: readonly string[], outer: readonly string[]): boolean => outer.every((name, i) => path[i] === name)

/** Every value that can differ below a record, every record that can be absent, and every one that cannot. */
function placesOf(shape: RecordShape, at: readonly string[]): { places: Place[]; presences: string[][]; records: string[][] } {
  const places: Place[] = []
  const presences: string[][] = []
  const records: string[][] = []
  for (const [name, field] of shape.fields) {
    const path = [...at, name]
    if (field.shape.kind === 'person') continue
    if (field.shape.kind !== 'record') {
      places.push({ path, shape: field.shape, optional: !field.required })
      continue
    }
    ;(field.required ? records : presences).push(path)
    const below = placesOf(field.shape, path)
    places.push(...below.places)
    presences.push(...below.presences)
    records.push(...below.records)
  }
  return { places, presences, records }
}

/** The shape with the business key in it where a policy asks for the resource. */
function withKey(shape: RecordShape, operation: Operation, atoms: readonly Atom[]): typeof shape {
  const { businessKey } = operation
  if (!businessKey || !atoms.some(({ paths }) => paths.some(({ variable }) => variable === 'resource'))) return shape
  return insert(shape, ['input', ...businessKey.at.split('/').slice(1)], resourceTypes(operation).length === 1)
}

function insert(shape: RecordShape, [name = '', ...rest]: readonly string[], required: boolean): typeof shape {
  const known = shape.fields.get(name)
  if (known && known.shape.kind !== 'record') return shape
  const inner = known?.shape.kind === 'record' ? known.shape : ({ kind: 'record', fields: new Map() } as const)
  const made: Shape = rest.length === 0 ? (known?.shape ?? { kind: 'string' }) : insert(inner, rest, required)
  return {
    kind: 'record',
    fields: new Map([...shape.fields, [name, { shape: made, required: known?.required ?? (required || name === 'input') }]]),
  }
}

function put(root: JsonObject, path: readonly string[], value: JsonValue | undefined): void {
  let at = root
  for (const name of path.slice(0, -1)) {
    const next = at[name]
    at[name] = isJsonObject(next) ? next : {}
    at = at[name]
  }
  const last = path.at(-1) ?? ''
  if (value === undefined) delete at[last]
  else at[last] = structuredClone(value)
}

/** Values of other places as this one can hold them: its own, the items of sets, and a set of each. */
function asHeld(shape: Shape, values: readonly JsonValue[]): JsonValue[] {
  if (shape.kind === 'set') return asHeld(shape.element, values).flatMap((value) => [[value]])
  const flat = values.flatMap((value) => (Array.isArray(value) ? value : [value]))
  if (shape.kind === 'long')
    return flat.filter((value) => Number.isSafeInteger(value)).flatMap((n) => [Number(n), Number(n) + 1, Number(n) - 1])
  if (shape.kind === 'decimal' || shape.kind === 'amount') {
    const units = flat.flatMap((value) => (value === PLAINEST ? [] : (parseDecimal(String(value)) ?? [])))
    const near = units.flatMap((n) => [n, n + 100n, n - 100n]).map(decimalText)
    return shape.kind === 'amount' ? near : near.map(Number)
  }
  return flat.filter((value) => typeof value === (shape.kind === 'bool' ? 'boolean' : 'string'))
}

/** What agents and people have that a value in `context` can be compared with. */
function attributesOf(
  agents: readonly Candidate<Agent>[],
  subjects: readonly (Candidate<Person> | undefined)[],
): ReadonlyMap<string, readonly JsonValue[]> {
  const own = agents.flatMap(({ who }): JsonValue[] => [who.region, who.team, who.name, who.owner, who.autonomy, ...who.clearance])
  const people = subjects.flatMap((subject): JsonValue[] =>
    subject ? [subject.who.name, ...(subject.who.region ? [subject.who.region] : [])] : [],
  )
  return new Map([
    ['agent', distinct(own)],
    ['subject', distinct(people)],
  ])
}

/** Stands for what the present call alone comes to. */
const PLAINEST = 'the present call'

/** No count and no sum is below nothing. */
const isPlausible = (value: JsonValue): boolean => Number.isNaN(Number(value)) || Number(value) >= 0

/** A fact that found nothing is null, since one that is missing is not known; everything else is left out. */
const absentAt = (path: readonly string[]): JsonValue | undefined => (path[0] === 'history' ? null : undefined)

const textsOf = (value: JsonValue): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string').sort() : [])

const recordOf = ({ playbook, version, outcome, checked }: JsonObject): NonNullable<Question['decisionRecord']> => ({
  playbook: String(playbook),
  version: String(version),
  outcome: String(outcome),
  checked: checked === true,
})

/** Texts of as many characters as conditions compare with, and of one more and one less. */
const textsAround = ({ numbers }: Literals): string[] =>
  [...numbers]
    .flatMap((n) => [n, n + 1, n - 1])
    .filter((n) => Number.isSafeInteger(n) && n > 0 && n <= LIMITS.rationaleCharsMax)
    .map((n) => 'x'.repeat(n))

function atPath(root: JsonObject, path: readonly string[]): JsonValue | undefined {
  let at: JsonValue | undefined = root
  for (const name of path) at = isJsonObject(at) ? at[name] : undefined
  return at
}
