import { instant, type Instant } from '../../gateway/core/clock.ts'
import type { Facts } from '../../gateway/core/facts.ts'
import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { type Operation, resourceOf } from '../../gateway/core/operation.ts'
import type { Agent, Person } from '../../gateway/core/principal.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import { boundaryValues, distinct } from './boundary-values.ts'
import { type Atom, type Literals, mergeLiterals, newLiterals, type Path } from './atoms.ts'
import { resourceTypes } from './cedar-schema.ts'
import type { Shape } from './input-shape.ts'
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
  readonly shape: Extract<Shape, { kind: 'record' }>
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
  readonly dimensions: readonly Dimension[]
  readonly #operation: Operation
  readonly #base: Instant
  readonly #samples: SchemaSamples
  readonly #places: readonly Place[]
  readonly #presences: readonly (readonly string[])[]
  readonly #indexes: ReadonlyMap<string, number>

  constructor(options: SpaceOptions) {
    this.#operation = options.operation
    this.#base = options.base
    this.#samples = new SchemaSamples(options.operation.inputSchema)
    const { places, presences } = placesOf(withKey(options.shape, options.operation, options.atoms), [])
    this.#places = places
    this.#presences = presences
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

  /** The question that an assignment stands for. */
  question(assignment: Assignment): Question {
    const chosen = this.#chosen(assignment)
    const context: JsonObject = { input: this.#samples.sample() }
    for (const { kind, path, value } of chosen.values)
      if (!chosen.without.some((absent) => isWithin(path, absent)))
        put(context, path, kind === 'presence' ? {} : path[0] === 'history' ? (value ?? null) : value)
    const input = isJsonObject(context.input) ? context.input : {}
    const { agent, subject } = chosen
    const resourceKey = resourceOf(this.#operation, input, atPointer)
    const { now, door, rationale, run } = context
    return {
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
      facts: factsOf(context),
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
    const values = this.dimensions.flatMap((dimension, i) => {
      if (dimension.kind !== 'value') return []
      const at = assignment[i] ?? 0
      return [{ dimension: i, name: dimension.name, value: dimension.values[at] ?? null, plain: at === 0 }]
    })
    return { agent, subject: second?.kind === 'subject' ? second.values[assignment[1] ?? 0] : undefined, values }
  }

  #chosen(assignment: Assignment) {
    let agent: Agent | undefined
    let subject: Candidate<Person> | undefined
    const values: { kind: 'value' | 'presence'; path: readonly string[]; value: JsonValue | undefined }[] = []
    const without: (readonly string[])[] = []
    this.dimensions.forEach((dimension, i) => {
      const at = assignment[i] ?? 0
      if (dimension.kind === 'agent') agent = dimension.values[at]?.who
      else if (dimension.kind === 'subject') subject = dimension.values[at]
      else if (dimension.kind === 'value') values.push({ kind: 'value', path: dimension.path, value: dimension.values[at] })
      else if (dimension.values[at] === true) values.push({ kind: 'presence', path: dimension.path, value: {} })
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
    for (const place of this.#places) values.set(nameOf(place.path), this.#valuesAt(place, literals.get(nameOf(place.path)), base))
    this.#exchange(values, linked, attributesOf(agents, subjects))
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

  #valuesAt({ path, shape }: Place, literals: Literals = newLiterals(), base: Instant): JsonValue[] {
    const [root = '', ...below] = path
    const found = boundaryValues(shape, literals, base)
    if (root === 'door') return ['mcp', 'graphql', 'http']
    if (root === 'history')
      return distinct(found.filter(isPlausible).map((value) => (shape.kind === 'decimal' ? decimalText(value) : value)))
    if (root !== 'input') return [...found]
    const schema = this.#samples.at(below)
    if (!schema) return [...found]
    const values = distinct([this.#samples.sample(schema), ...found, ...this.#samples.values(schema)])
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
    if (path[0] === 'subject') return ['subject']
    return path.length === 0 ? ['subject', ...this.#below([])] : this.#below(path)
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

/** Every value that can differ below a record, and every record that can be absent. */
function placesOf(shape: Extract<Shape, { kind: 'record' }>, at: readonly string[]): { places: Place[]; presences: string[][] } {
  const places: Place[] = []
  const presences: string[][] = []
  for (const [name, field] of shape.fields) {
    const path = [...at, name]
    if (field.shape.kind === 'person') continue
    if (field.shape.kind !== 'record') {
      places.push({ path, shape: field.shape, optional: !field.required })
      continue
    }
    if (!field.required) presences.push(path)
    const below = placesOf(field.shape, path)
    places.push(...below.places)
    presences.push(...below.presences)
  }
  return { places, presences }
}

/** The shape with the business key in it where a policy asks for the resource. */
function withKey(shape: Extract<Shape, { kind: 'record' }>, operation: Operation, atoms: readonly Atom[]): typeof shape {
  const { businessKey } = operation
  if (!businessKey || !atoms.some(({ paths }) => paths.some(({ variable }) => variable === 'resource'))) return shape
  return insert(shape, ['input', ...businessKey.at.split('/').slice(1)], resourceTypes(operation).length === 1)
}

function insert(shape: Extract<Shape, { kind: 'record' }>, [name = '', ...rest]: readonly string[], required: boolean): typeof shape {
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
  if (shape.kind === 'decimal') {
    const numbers = flat.map(Number).filter(Number.isFinite)
    return numbers.flatMap((n) => [n, Number((n + 0.01).toFixed(4)), Number((n - 0.01).toFixed(4))])
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

/** No count and no sum is below nothing. */
const isPlausible = (value: JsonValue): boolean => typeof value !== 'number' || value >= 0

const decimalText = (value: JsonValue): string => (Number.isInteger(value) ? `${String(value)}.0` : String(value))

function factsOf({ history, lookup, labels, findings }: JsonObject): Facts {
  const texts = (value: JsonValue | undefined): string[] =>
    Array.isArray(value) ? value.filter((one) => typeof one === 'string').sort() : []
  return {
    history: isJsonObject(history) ? history : {},
    lookup: isJsonObject(lookup) ? lookup : {},
    ...(labels === undefined ? {} : { labels: texts(labels) }),
    ...(findings === undefined ? {} : { findings: texts(findings) }),
  }
}
