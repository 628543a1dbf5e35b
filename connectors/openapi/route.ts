import { percentDecode } from './query.ts'
import { badInput, unsendable } from './scalar.ts'

/** Segments that a path may have at most; more is no match for any document. */
const SEGMENTS_MAX = 64

/** One segment of a template: text, or one parameter with text around it. */
export type TemplateSegment = { literal: string } | { parameter: string; prefix: string; suffix: string; matrix: boolean }

/**
 * Splits `/orders/{id}/lines.{format}`. Undefined where a segment has more than one parameter (two readings), text that is not plain
 * URL text, or the path does not start with a slash. `matrix` names parameters whose style writes `;`.
 */
export function parseTemplate(path: string, matrix: ReadonlySet<string>): readonly TemplateSegment[] | undefined {
  if (!path.startsWith('/')) return undefined
  const segments: TemplateSegment[] = []
  for (const raw of path.slice(1).split('/')) {
    const found = /^([^{}]*)(?:\{([^{}]+)\}([^{}]*))?$/.exec(raw)
    const [, prefix = '', parameter, suffix = ''] = found ?? []
    if (!found || !/^[\w\-.~!$&'()*+,:@=%]*$/.test(prefix + suffix)) return undefined
    segments.push(parameter === undefined ? { literal: prefix } : { parameter, prefix, suffix, matrix: matrix.has(parameter) })
  }
  return segments.length <= SEGMENTS_MAX ? segments : undefined
}

/**
 * Why a decoded path segment is ambiguous, or null. Upstreams disagree about these: some unescape twice, fold dots, split at backslashes or
 * drop a trailing dot, and would then run another operation than the one that was judged.
 */
export function segmentFault(decoded: string): string | null {
  if (decoded === '') return 'is empty'
  if (decoded === '.' || decoded === '..') return 'is a dot segment'
  if (decoded.endsWith('.')) return 'ends in a dot'
  if (/[/\\]/.test(decoded)) return 'contains an encoded slash or backslash'
  if (/%[0-9a-fA-F]{2}/.test(decoded)) return 'is percent-encoded twice'
  for (let i = 0; i < decoded.length; i++) {
    const code = decoded.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return 'contains a control character'
  }
  return null
}

interface Edge<T> {
  prefix: string
  suffix: string
  node: Node<T>
}

interface Node<T> {
  /** By lower-case text, since many upstreams route without regard to case. */
  literals: Map<string, Node<T>>
  edges: Edge<T>[]
  template: Template<T> | null
}

/** All operations of one path. */
export interface Template<T> {
  segments: readonly TemplateSegment[]
  byMethod: Map<string, T>
}

export interface Matched<T> {
  template: Template<T>
  /** Decoded texts of the template's parameters, by name. */
  values: Readonly<Record<string, string>>
}

const newNode = <T>(): Node<T> => ({ literals: new Map(), edges: [], template: null })

/**
 * Finds the template that a path belongs to. Literal segments win over parameters, whatever the method, as OpenAPI says (Path Templating,
 * "concrete definitions first"). A path that would belong to another template if case did not count belongs to none.
 */
export class Router<T> {
  readonly #root: Node<T> = newNode()

  /** The template of these segments; templates that differ in parameter names only are one. */
  add(segments: readonly TemplateSegment[]): Template<T> {
    let node = this.#root
    for (const segment of segments)
      node = 'literal' in segment ? literalChild(node, segment.literal) : edgeChild(node, segment.prefix, segment.suffix)
    node.template ??= { segments, byMethod: new Map() }
    return node.template
  }

  /** Reads a raw path. Undefined where no template has it. Throws BAD_INPUT for ambiguous paths. */
  match(rawPath: string): Matched<T> | undefined {
    if (!/^\/[\x21-\x7e]*$/.test(rawPath) || /[?#]/.test(rawPath)) throw badInput('', 'has a malformed path')
    const raw = rawPath.slice(1).split('/')
    if (raw.length > SEGMENTS_MAX) return undefined
    const decoded = raw.map((segment) => (segment.includes('%') ? percentDecode(segment) : segment))
    decoded.forEach((segment, i) => {
      const fault = segment === '' && i === decoded.length - 1 ? null : segmentFault(segment)
      if (fault) throw badInput('', `has an ambiguous path: segment ${i + 1} ${fault}`)
    })
    const template = this.#find(decoded)
    raw.forEach((segment, i) => {
      const at = template?.segments[i]
      if (segment.includes(';') && !(at && 'parameter' in at && at.matrix))
        throw badInput('', `has an ambiguous path: segment ${i + 1} has \`;\``)
    })
    return template ? exact(template, decoded) : undefined
  }

  /** Whether the path that a template's parameters came out as still belongs to that template. Refuses (UpstreamError) if not. */
  assertOwn(template: Template<T>, decoded: readonly string[]): void {
    for (const [i, segment] of decoded.entries()) {
      const at = template.segments[i]
      const fault = at && 'parameter' in at ? segmentFault(segment) : null
      if (fault) throw unsendable(`a path argument ${fault}`)
    }
    if (this.#find(decoded) !== template) throw unsendable('a path argument turns the path into that of another operation')
  }

  #find(decoded: readonly string[]): Template<T> | null {
    return descend(
      this.#root,
      decoded.map((segment) => segment.toLowerCase()),
      0,
    )
  }
}

function literalChild<T>(node: Node<T>, literal: string): Node<T> {
  const key = percentDecode(literal).toLowerCase()
  const child = node.literals.get(key) ?? newNode<T>()
  node.literals.set(key, child)
  return child
}

function edgeChild<T>(node: Node<T>, prefix: string, suffix: string): Node<T> {
  const key = { prefix: percentDecode(prefix).toLowerCase(), suffix: percentDecode(suffix).toLowerCase() }
  const known = node.edges.find((edge) => edge.prefix === key.prefix && edge.suffix === key.suffix)
  if (known) return known.node
  const edge = { ...key, node: newNode<T>() }
  node.edges.push(edge)
  node.edges.sort((a, b) => b.prefix.length + b.suffix.length - a.prefix.length - a.suffix.length)
  return edge.node
}

/** Depth first, most literal first; visits each node of the tree at most once. */
function descend<T>(node: Node<T>, path: readonly string[], at: number): Template<T> | null {
  const segment = path[at]
  if (segment === undefined) return node.template
  const literal = node.literals.get(segment)
  const found = literal ? descend(literal, path, at + 1) : null
  if (found) return found
  for (const { prefix, suffix, node: child } of node.edges) {
    if (segment.length <= prefix.length + suffix.length || !segment.startsWith(prefix) || !segment.endsWith(suffix)) continue
    const deeper = descend(child, path, at + 1)
    if (deeper) return deeper
  }
  return null
}

/** The parameters' texts; undefined where literal text differs in case. */
function exact<T>(template: Template<T>, decoded: readonly string[]): Matched<T> | undefined {
  const values: Record<string, string> = {}
  for (const [i, segment] of template.segments.entries()) {
    const text = decoded[i] ?? ''
    if ('literal' in segment) {
      if (percentDecode(segment.literal) !== text) return undefined
      continue
    }
    const prefix = percentDecode(segment.prefix)
    const suffix = percentDecode(segment.suffix)
    if (!text.startsWith(prefix) || !text.endsWith(suffix)) return undefined
    values[segment.parameter] = text.slice(prefix.length, text.length - suffix.length)
  }
  return { template, values }
}
