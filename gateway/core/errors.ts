/**
 * The one catalogue of codes: the GraphQL `extensions.code`, the problem `code` and the word in the MCP sentence.
 * `http` is the status at HTTP doors; `retry` says whether the same request can ever succeed unchanged.
 */
export const ERRORS = {
  DENIED: { http: 403, retry: 'never', says: 'policy does not allow this call, or a person refused it' },
  HELD: { http: 202, retry: 'later', says: 'the call waits for people; nothing was executed' },
  RUNNING: { http: 202, retry: 'later', says: 'the call was approved and runs; its result is not known yet' },
  EXPIRED: { http: 403, retry: 'never', says: 'nobody approved the held call in time' },
  CANCELLED: { http: 409, retry: 'never', says: 'the held call was cancelled' },
  BAD_INPUT: { http: 400, retry: 'never', says: 'the request or its arguments are malformed; pointers name the places' },
  NOT_FOUND: { http: 404, retry: 'never', says: 'no such operation, call or object for this caller' },
  REMOVED: { http: 410, retry: 'never', says: 'it was there, and was removed under retention' },
  METHOD_NOT_ALLOWED: { http: 405, retry: 'never', says: 'the path exists, this method does not' },
  BODY_TOO_LARGE: { http: 413, retry: 'never', says: 'the body is larger than the limit' },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, retry: 'never', says: 'the content type or encoding is not accepted here' },
  UNAUTHENTICATED: { http: 401, retry: 'never', says: 'no token, or a token that does not verify' },
  FORBIDDEN: { http: 403, retry: 'never', says: 'the caller is known and lacks the role' },
  LIMITED: { http: 429, retry: 'later', says: 'a limit of this agent is reached; `retryAfterSeconds` says when to try again' },
  UPSTREAM: { http: 502, retry: 'if-idempotent', says: 'the system behind the connector failed or refused' },
  UPSTREAM_TIMEOUT: { http: 504, retry: 'if-idempotent', says: 'the system behind the connector did not answer in time' },
  WITHHELD: { http: 502, retry: 'never', says: 'the call was executed, its answer cannot be handed over' },
  RESULT_NOT_KEPT: {
    http: 409,
    retry: 'never',
    says: 'the first call with this key was executed, its result is not kept: it was too large, or it was erased',
  },
  KEY_REUSED: { http: 409, retry: 'never', says: 'the idempotency key was used with other arguments' },
  UNAVAILABLE: { http: 503, retry: 'later', says: 'the record cannot be written, so nothing is executed' },
  ID_MALFORMED: { http: 400, retry: 'never', says: 'an id is not of its form' },
  HOLD_NOT_OPEN: { http: 409, retry: 'never', says: 'the hold is no longer open: decided, expired, cancelled or superseded' },
  NOT_ELIGIBLE: { http: 403, retry: 'never', says: 'this person may not decide on this hold or proposal' },
  GRANT_ENDED: { http: 409, retry: 'never', says: 'the standing grant has ended, or the emergency approval was reviewed already' },
  PROPOSAL_NOT_OPEN: { http: 409, retry: 'never', says: 'somebody decided on this proposal already' },
  POLICIES_CHANGED: { http: 409, retry: 'never', says: 'another policy set is active than the one that was built upon: build upon that' },
  CALL_NOT_IN_DOUBT: { http: 409, retry: 'never', says: 'only a call in doubt can be resolved' },
  CALL_NOT_CLAIMABLE: { http: 409, retry: 'never', says: 'only an approved call that waits for its agent can be claimed' },
  NAME_TAKEN: { http: 409, retry: 'never', says: 'an agent of this name is or was registered: names are never given away again' },
  TOKEN_REQUEST_REFUSED: { http: 400, retry: 'never', says: 'the token endpoint refused (RFC 6749 5.2)' },
  RECORD_ALTERED: {
    http: 500,
    retry: 'never',
    says: 'what the database has is not what was recorded: somebody altered it, and it is not shown',
  },
  CONFIG_INVALID: {
    http: 500,
    retry: 'never',
    says: 'the configuration, a connector or a policy is faulty; every fault is listed with its place',
  },
  DATA_LOCKED: { http: 500, retry: 'never', says: 'another process uses the data directory' },
  INTERNAL: { http: 500, retry: 'later', says: 'an unexpected fault; details are in the log under the call id' },
} as const satisfies Record<string, { http: number; retry: 'never' | 'later' | 'if-idempotent'; says: string }>

export type ErrorCode = keyof typeof ERRORS

/** One place in an input that is wrong: RFC 6901 pointer into the arguments (or the document) and a sentence. */
export interface Fault {
  pointer: string
  message: string
}

export interface ErrorDetails {
  cause?: unknown
  faults?: readonly Fault[]
  retryAfterSeconds?: number
}

/** `message` is public: lower case, user input in backticks, nothing internal. `cause` is private and goes to the log only. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly faults: readonly Fault[]
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : {})
    this.code = code
    this.faults = details.faults ?? []
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}
