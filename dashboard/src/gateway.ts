import { print } from '@0no-co/graphql.web'
import type { JsonValue, TadaDocumentNode } from './graphql.ts'
import { texts } from './texts.ts'

/** What the gateway refused, or `OFFLINE` where it did not answer. `message` is for people. */
export class GatewayProblem extends Error {
  override readonly name = 'GatewayProblem'

  constructor(
    readonly code: string,
    message: string,
    /** Places in an input: RFC 6901 pointer and words. */
    readonly faults: readonly { pointer: string; detail: string }[] = [],
  ) {
    super(message)
  }
}

interface Answer {
  data?: unknown
  errors?: readonly { message: string; extensions?: { code?: string; errors?: { pointer: string; detail: string }[] } }[]
}

const printed = new WeakMap<object, string>()

/** The text of a document, with its fragments. */
function textOf(document: TadaDocumentNode<unknown, never>): string {
  const text = printed.get(document) ?? print(document)
  printed.set(document, text)
  return text
}

async function request(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, credentials: 'same-origin', redirect: 'error' })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new GatewayProblem('OFFLINE', texts.problem.offline)
  }
}

/** Asks the operator GraphQL. Throws GatewayProblem with the first error's code. */
export async function ask<Result, Variables>(
  document: TadaDocumentNode<Result, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Result> {
  const response = await request('/operator/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query: textOf(document as TadaDocumentNode<unknown, never>), variables }),
    ...(signal && { signal }),
  })
  const answer = (await response.json().catch(() => ({}))) as Answer
  const [error] = answer.errors ?? []
  if (error) throw new GatewayProblem(error.extensions?.code ?? 'INTERNAL', error.message, error.extensions?.errors ?? [])
  if (!response.ok || answer.data === undefined) throw new GatewayProblem('UNAVAILABLE', texts.problem.offline)
  return answer.data as Result
}

/** One subscription by GraphQL over SSE: calls `next` for each event, resolves when the stream ends. Throws GatewayProblem. */
export async function listen(
  document: TadaDocumentNode<unknown, never>,
  variables: object,
  signal: AbortSignal,
  next: () => void,
): Promise<void> {
  const response = await request('/operator/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: textOf(document), variables }),
    signal,
  })
  if (!response.ok || !response.body)
    throw new GatewayProblem(response.status === 401 ? 'UNAUTHENTICATED' : 'UNAVAILABLE', texts.problem.offline)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const events = (rest + value).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      if (event.startsWith('event: next')) next()
      if (event.startsWith('event: complete')) return
    }
  }
}

export interface SessionState {
  /** False where nobody can sign in: the issuer is not a development issuer. */
  development: boolean
  person: string | null
}

async function session(method: 'GET' | 'POST' | 'DELETE', body?: JsonValue): Promise<SessionState> {
  const response = await request('/operator/session', {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const answer = (await response.json().catch(() => ({}))) as Partial<SessionState> & { code?: string; detail?: string; title?: string }
  if (!response.ok) throw new GatewayProblem(answer.code ?? 'UNAVAILABLE', answer.detail ?? answer.title ?? texts.problem.offline)
  return { development: answer.development === true, person: answer.person ?? null }
}

export const readSession = (): Promise<SessionState> => session('GET')
export const signIn = (link: string): Promise<SessionState> => session('POST', { link })
export const signOut = (): Promise<SessionState> => session('DELETE')
