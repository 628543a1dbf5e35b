import type { DocumentNode, FragmentDefinitionNode, SelectionSetNode } from 'graphql'
import { Kind } from 'graphql'
import { LIMITS } from '../../limits.ts'
import { refuseRequest } from './refused.ts'

/**
 * Refuses sources that are too long or nested too deeply, before they are parsed: graphql-js recurses once a level and overflows near 1,500.
 * Counts every bracket outside strings and comments. Throws BAD_INPUT.
 */
export function checkSource(source: string): void {
  if (source.length > LIMITS.graphqlSourceCharsMax)
    throw refuseRequest('BAD_INPUT', `the query is longer than ${LIMITS.graphqlSourceCharsMax} characters`)
  if (nestingOf(source, LIMITS.graphqlNestingMax) > LIMITS.graphqlNestingMax)
    throw refuseRequest('BAD_INPUT', `the query nests brackets deeper than ${LIMITS.graphqlNestingMax} levels`)
}

/** The deepest nesting of brackets outside strings and comments, or `stop + 1` as soon as it is passed. Never less than what a lexer sees. */
export function nestingOf(source: string, stop: number): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < source.length && deepest <= stop; at++) {
    const char = source[at]
    if (char === '{' || char === '[' || char === '(') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']' || char === ')') depth = Math.max(0, depth - 1)
    else if (char === '"') at = endOfString(source, at)
    else if (char === '#') at = endOfLine(source, at)
  }
  return deepest
}

/** Index of the last character of the string literal (October 2021, 2.9.4) that starts at `start`; of the source where it never ends. */
function endOfString(source: string, start: number): number {
  if (source.startsWith('"""', start)) {
    for (let at = source.indexOf('"""', start + 3); at !== -1; at = source.indexOf('"""', at + 3)) {
      if (source[at - 1] !== '\\') return at + 2
    }
    return source.length
  }
  for (let at = start + 1; at < source.length; at++) {
    const char = source[at]
    if (char === '\\') at++
    else if (char === '"' || char === '\n' || char === '\r') return at
  }
  return source.length
}

function endOfLine(source: string, start: number): number {
  for (let at = start; at < source.length; at++) if (source[at] === '\n' || source[at] === '\r') return at
  return source.length
}

/** What one selection set comes to with its fragments expanded. */
interface Measure {
  /** Fields, each counted as often as it is spread; lists of introspection count by their usual length. */
  cost: number
  depth: number
}

/** Usual lengths of the lists below `__schema` and `__type`, which nest into one another. */
const INTROSPECTION_LISTS: Readonly<Record<string, number>> = {
  fields: 10,
  inputFields: 10,
  interfaces: 10,
  possibleTypes: 10,
  enumValues: 10,
  args: 3,
}

/**
 * Bounds depth, cost, root fields and directives of every operation of a document, in time linear in its length: each fragment is measured once,
 * however often it is spread. Throws BAD_INPUT. Cycles of fragments are left to validation.
 */
export function checkDocument(document: DocumentNode): void {
  const gauge = new Gauge(document)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const { cost, depth } = gauge.measure(definition.selectionSet, false)
    const roots = gauge.rootFields(definition.selectionSet)
    bound(depth, LIMITS.graphqlDepthMax, 'selects deeper than', 'levels')
    bound(roots, LIMITS.graphqlRootFieldsMax, 'has more than', 'root fields, aliases counted one by one')
    bound(cost, LIMITS.graphqlCostMax, 'selects more than', 'fields with its fragments expanded')
  }
  bound(gauge.directives, LIMITS.graphqlDirectivesMax, 'has more than', 'directives')
}

function bound(value: number, max: number, verb: string, unit: string): void {
  if (value > max) throw refuseRequest('BAD_INPUT', `the query ${verb} ${max} ${unit}`)
}

/** Measures the selections of one document; linear in its length. */
export class Gauge {
  directives = 0
  private readonly fragments = new Map<string, FragmentDefinitionNode>()
  private readonly measured = new Map<string, Measure>()
  private readonly rooted = new Map<string, number>()

  constructor(document: DocumentNode) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.fragments.set(definition.name.value, definition)
      if ('directives' in definition) this.directives += definition.directives?.length ?? 0
      if (definition.kind === Kind.OPERATION_DEFINITION)
        for (const variable of definition.variableDefinitions ?? []) this.directives += variable.directives?.length ?? 0
      if ('selectionSet' in definition) this.countDirectives(definition.selectionSet)
    }
  }

  private countDirectives(set: SelectionSetNode): void {
    for (const selection of set.selections) {
      this.directives += selection.directives?.length ?? 0
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) this.countDirectives(selection.selectionSet)
    }
  }

  /** `introspecting`: the selection is somewhere below `__schema` or `__type`. */
  measure(set: SelectionSetNode, introspecting: boolean): Measure {
    const sum: Measure = { cost: 0, depth: 0 }
    for (const selection of set.selections) {
      let part: Measure
      if (selection.kind === Kind.FIELD) {
        const name = selection.name.value
        const below = introspecting || name === '__schema' || name === '__type'
        const inside = selection.selectionSet ? this.measure(selection.selectionSet, below) : { cost: 0, depth: 0 }
        const times = introspecting && Object.hasOwn(INTROSPECTION_LISTS, name) ? (INTROSPECTION_LISTS[name] ?? 1) : 1
        part = { cost: 1 + times * inside.cost, depth: 1 + inside.depth }
      } else if (selection.kind === Kind.INLINE_FRAGMENT) part = this.measure(selection.selectionSet, introspecting)
      else part = this.measureFragment(selection.name.value, introspecting)
      sum.cost += part.cost
      sum.depth = Math.max(sum.depth, part.depth)
    }
    return sum
  }

  private measureFragment(name: string, introspecting: boolean): Measure {
    const key = `${introspecting ? '!' : ''}${name}`
    const known = this.measured.get(key)
    if (known) return known
    this.measured.set(key, { cost: 0, depth: 0 })
    const fragment = this.fragments.get(name)
    const measure = fragment ? this.measure(fragment.selectionSet, introspecting) : { cost: 0, depth: 0 }
    this.measured.set(key, measure)
    return measure
  }

  rootFields(set: SelectionSetNode): number {
    let count = 0
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) count++
      else if (selection.kind === Kind.INLINE_FRAGMENT) count += this.rootFields(selection.selectionSet)
      else {
        const name = selection.name.value
        const known = this.rooted.get(name)
        if (known === undefined) {
          this.rooted.set(name, 0)
          const fragment = this.fragments.get(name)
          this.rooted.set(name, fragment ? this.rootFields(fragment.selectionSet) : 0)
        }
        count += this.rooted.get(name) ?? 0
      }
    }
    return count
  }
}
