import type { GraphQLFormattedError } from 'graphql'
import { GraphQLError } from 'graphql'
import type { ErrorCode, Fault } from '../../core/errors.ts'
import { ERRORS, GatewayError } from '../../core/errors.ts'
import type { Refusal } from '../answer.ts'
import { publicError, statusOf } from '../error-response.ts'

/** A whole request that is refused before anything of it becomes a call. `asked` is the name asked for, where there was one. */
export class RequestRefused extends GatewayError {
  readonly status: number

  constructor(
    code: ErrorCode,
    message: string,
    readonly errors: readonly GraphQLFormattedError[],
    readonly details: { asked?: string; faults?: readonly Fault[]; status?: number; retryAfterSeconds?: number } = {},
  ) {
    const { faults = [], retryAfterSeconds } = details
    super(code, message, { faults, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) })
    this.status = details.status ?? statusOf(code)
  }
}

/** `extensions` of an error; the same words and places as in a problem (RFC 9457). */
export function extensionsOf(refusal: Omit<Refusal, 'message' | 'notExecuted'>): Record<string, unknown> {
  const { faults, ...rest } = refusal
  return { ...rest, ...(faults && faults.length > 0 && { errors: faults.map(({ pointer, message }) => ({ pointer, detail: message })) }) }
}

/** What a field says in place of its data. */
export const refusedField = ({ message, notExecuted: _, ...rest }: Refusal): GraphQLError =>
  new GraphQLError(message, { extensions: extensionsOf(rest) })

/** Refuses a request for one reason, with pointers into it; `asked` are the root fields that it names, where they are known. */
export function refuseRequest(
  code: ErrorCode,
  message: string,
  faults: readonly Fault[] = [],
  status?: number,
  asked?: string,
): RequestRefused {
  const error = { message, extensions: extensionsOf({ code, faults }) }
  return new RequestRefused(code, message, [error], {
    faults,
    ...(status !== undefined && { status }),
    ...(asked !== undefined && { asked }),
  })
}

/** Any error as a refusal of the whole request; the unknown becomes INTERNAL. */
export function asRefused(error: unknown): RequestRefused {
  if (error instanceof RequestRefused) return error
  const { code, message, faults, retryAfterSeconds } = publicError(error)
  const extensions = extensionsOf({ code, faults, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) })
  return new RequestRefused(code, message, [{ message, extensions }], {
    faults,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERRORS, code)

/** graphql-js suggests names in a few messages whatever it is told. */
const withoutSuggestion = (message: string): string => message.replace(/ Did you mean [^?]*\?$/, '')

/**
 * An error of execution as an agent may read it. Errors of graphql-js about the request are BAD_INPUT; what resolvers refuse keeps its code; anything
 * else is INTERNAL with nothing inside, and goes to `unexpected`.
 */
export function publicFieldError(
  formatted: GraphQLFormattedError,
  thrown: unknown,
  unexpected: (error: unknown) => void,
): GraphQLFormattedError {
  const original = originOf(thrown)
  const place = { ...(formatted.locations && { locations: formatted.locations }), ...(formatted.path && { path: formatted.path }) }
  if (original instanceof GraphQLError) {
    const own = original.extensions
    if (isCode(own.code)) return { message: original.message, ...place, extensions: own }
    return { message: withoutSuggestion(formatted.message), ...place, extensions: { code: 'BAD_INPUT' } }
  }
  if (!(original instanceof GatewayError)) unexpected(original)
  const { message, code, faults } = publicError(original)
  return { message, ...place, extensions: extensionsOf({ code, faults }) }
}

function originOf(thrown: unknown): unknown {
  let at = thrown
  for (let hops = 0; hops < 8 && at instanceof GraphQLError && at.originalError; hops++) at = at.originalError
  return at
}
