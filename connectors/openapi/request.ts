import type { JsonObject } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import type { ExecuteContext } from '../../gateway/ports/connector.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import type { BodyBinding, CompiledOperation } from './operation.ts'
import type { Outgoing } from './parameter.ts'
import { percentDecode, percentEncode } from './query.ts'
import type { Router, Template } from './route.ts'
import { unsendable } from './scalar.ts'

export interface BuiltRequest {
  url: string
  headers: Record<string, string>
  body: string | Uint8Array | undefined
}

/** Builds upstream requests from canonical arguments, the lease and the call's context, and from nothing else. */
export class RequestBuilder {
  readonly #base: string
  readonly #router: Pick<Router<unknown>, 'assertOwn'>

  constructor(base: string, router: Pick<Router<never>, 'assertOwn'>) {
    this.#base = base
    this.#router = router as Pick<Router<unknown>, 'assertOwn'>
  }

  /** Throws UpstreamError (`refused`, nothing sent) where an argument cannot be carried unambiguously. */
  build(
    bound: { compiled: CompiledOperation; operation: Operation; template: Template<unknown> },
    input: JsonObject,
    lease: Lease | null,
    context: ExecuteContext,
  ): BuiltRequest {
    const { compiled, operation, template } = bound
    const out: Outgoing = { path: {}, query: [], headers: {}, cookies: [] }
    for (const parameter of compiled.parameters) {
      const value = Object.hasOwn(input, parameter.property) ? input[parameter.property] : undefined
      if (value !== undefined && value !== null) parameter.write(value, out)
    }
    const { headers } = out
    if (out.cookies.length > 0) headers.cookie = out.cookies.join('; ')
    headers.accept = 'application/json, */*;q=0.5'
    headers['accept-encoding'] = 'identity'
    headers.traceparent = context.traceparent
    if (operation.idempotency.kind === 'key-header') headers[operation.idempotency.header.toLowerCase()] = context.idempotencyKey
    const body = compiled.body ? bodyOf(compiled.body, input) : undefined
    const written = body === undefined ? undefined : compiled.body?.codec.write(body.value)
    if (written) headers['content-type'] = written.contentType
    if (lease) applyLease(lease, out)
    const query = out.query.length > 0 ? `?${out.query.join('&')}` : ''
    return { url: `${this.#base}${this.#path(compiled, template, out)}${query}`, headers, body: written?.bytes }
  }

  #path({ segments }: CompiledOperation, template: Template<unknown>, { path }: Outgoing): string {
    let text = ''
    let templated = false
    const decoded: string[] = []
    for (const segment of segments) {
      let encoded: string
      if ('literal' in segment) encoded = segment.literal
      else {
        const value = path[segment.parameter]
        if (value === undefined || value === '') throw unsendable(`path argument \`${segment.parameter}\` is empty`)
        templated = true
        encoded = segment.prefix + value + segment.suffix
      }
      decoded.push(percentDecode(encoded))
      text += `/${encoded}`
    }
    if (templated) this.#router.assertOwn(template, decoded)
    return text
  }
}

/** The value of the body; undefined where the arguments have none. */
function bodyOf(body: BodyBinding, input: JsonObject): { value: JsonObject[string] } | undefined {
  if (body.layout.kind === 'whole') {
    const value = Object.hasOwn(input, body.layout.property) ? input[body.layout.property] : undefined
    return value === undefined ? undefined : { value }
  }
  const value: JsonObject = {}
  let any = body.required
  for (const name of body.layout.names) {
    const member = Object.hasOwn(input, name) ? input[name] : undefined
    if (member === undefined) continue
    value[name] = member
    any = true
  }
  return any ? { value } : undefined
}

/** The credential comes last and replaces what an argument put in its place. */
function applyLease(lease: Lease, out: Outgoing): void {
  for (const [name, value] of Object.entries(lease.headers())) out.headers[name.toLowerCase()] = value
  for (const [name, value] of Object.entries(lease.query())) {
    const encoded = `${percentEncode(name)}=`
    if (out.query.some((pair) => pair.startsWith(encoded))) throw unsendable('an argument takes the place of the credential')
    out.query.push(encoded + percentEncode(value))
  }
}
