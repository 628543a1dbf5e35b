/** One place of a request that a system found wrong. */
export interface ProblemDetail {
  /** Name of the parameter or JSON pointer into the body. */
  at: string
  message: string
}

/** A refusal as the systems answer it: `status` and the body `{code, message, details}` of every OpenAPI document's `Problem` schema. */
export class Problem extends Error {
  override readonly name = 'Problem'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: readonly ProblemDetail[] = [],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
  }
}
