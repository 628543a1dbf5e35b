import { pointerToken } from '../../gateway/core/json.ts'
import { pointerTokens } from '../../gateway/core/pointers.ts'
import type { Shape } from './input-shape.ts'

/** RFC 6901, not the whole document, at most so many tokens that every real one fits. */
export const isPointer = (text: string): boolean => /^(?:\/(?:[^~/]|~[01])*){1,64}$/.test(text)

/**
 * What `valuesAt` can find at a pointer in values of a shape, by their types: one shape for each way there. Undefined where some value of the shape
 * has no such place, so that a fact is never silently blind to it; an optional member is a place.
 */
export function shapesAt(shape: Shape, pointer: string): readonly Shape[] | undefined {
  let found: readonly Shape[] = [shape]
  for (const token of pointerTokens(pointer)) {
    const next: Shape[] = []
    for (const one of found.flatMap(variantsOf)) {
      const below = step(one, token)
      if (!below) return undefined
      next.push(below)
    }
    found = next
  }
  return found.flatMap(variantsOf)
}

const variantsOf = (shape: Shape): readonly Shape[] => (shape.kind === 'union' ? [...shape.variants.values()].flatMap(variantsOf) : [shape])

function step(shape: Shape, token: string): Shape | undefined {
  if (shape.kind === 'set') return token === '*' || /^(0|[1-9][0-9]*)$/.test(token) ? shape.element : undefined
  if (shape.kind === 'record') return shape.fields.get(token)?.shape ?? (token === '*' ? shape : undefined)
  return token === '*' && shape.kind !== 'json' ? shape : undefined
}

/** Every pointer of a shape, for "did you mean". */
export function pointersOf(shape: Shape, base = ''): string[] {
  if (shape.kind === 'set') return [`${base}/*`, ...pointersOf(shape.element, `${base}/*`)]
  if (shape.kind === 'union') return [...shape.variants.values()].flatMap((variant) => pointersOf(variant, base))
  if (shape.kind !== 'record') return []
  return [...shape.fields].flatMap(([name, field]) => {
    const own = `${base}/${pointerToken(name)}`
    return [own, ...pointersOf(field.shape, own)]
  })
}
