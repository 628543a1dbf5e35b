import type { JsonSchema } from '../gateway/core/operation.ts'
import { classedPlaces, type OutputShape, outputShape } from '../gateway/core/output-shape.ts'
import { LIMITS } from '../gateway/limits.ts'
import { didYouMean } from './faults.ts'

/** Data classes by place: pointers with `*` for items and for members without a name of their own. */
export type ClassesByPlace = Readonly<Record<string, readonly string[]>>

/**
 * The classes of an operation's output: those of its documents (`declared`, several schemas for several answers) and the manifest's, which add to them. An empty
 * list in the manifest takes away what the documents say of that one place. `fault` is told of pointers that lead nowhere in the schema, and of empty lists that
 * take nothing away.
 */
export function outputClasses(
  schema: JsonSchema | undefined,
  declared: readonly ClassesByPlace[],
  given: ClassesByPlace,
  fault: (pointer: string, message: string) => void,
): ClassesByPlace {
  const classes = new Map<string, readonly string[]>()
  const add = (pointer: string, names: readonly string[]): void =>
    void classes.set(pointer, [...new Set([...(classes.get(pointer) ?? []), ...names])].sort())
  for (const places of declared) for (const [pointer, names] of Object.entries(places)) add(pointer, names)
  const shape = schema && Object.keys(given).length > 0 ? outputShape(schema) : undefined
  for (const [pointer, names] of Object.entries(given)) {
    const why = shape && nowhere(shape, pointer)
    if (why !== undefined) fault(pointer, why)
    else if (names.length > 0) add(pointer, names)
    else if (classes.has(pointer)) classes.set(pointer, [])
    else fault(pointer, 'the document gives no class there, so an empty list takes nothing away')
  }
  return Object.fromEntries([...classes].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The places that a schema gives classes; undefined where they are more than `LIMITS.classedPlacesMax`. */
export function declaredPlaces(schema: JsonSchema): ClassesByPlace | undefined {
  const places = classedPlaces(outputShape(schema), LIMITS.classedPlacesMax)
  return places && Object.fromEntries(places)
}

/** Why a pointer leads nowhere, or undefined. Where the schema says nothing of what is inside, pointers are taken at their word. */
function nowhere(top: OutputShape, pointer: string): string | undefined {
  let here = top
  let at = ''
  for (const token of pointer.split('/').slice(1)) {
    const where = at === '' ? 'the output' : `\`${at}\``
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    const next = token === '*' ? (here.items ?? here.rest) : here.member(name)
    if (!next && here.open) return undefined
    if (!next && token === '*') return `${where} is neither a list nor a map`
    if (!next && here.items) return `${where} is a list: write \`${at}/*\` for its items`
    if (!next) return `${where} has no \`${name}\`${didYouMean(name, here.names)}`
    here = next
    at += `/${token}`
  }
  return undefined
}
