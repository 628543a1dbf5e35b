import { ERRORS, type ErrorCode } from '../core/errors.ts'
import { fields, items, jsonOf, type Reply } from './send.ts'

/** What an agent was told, in the same words whatever the door. */
export interface Heard {
  code: 'OK' | ErrorCode
  /** Why it was denied. */
  reason?: string
  advice?: string
  callId?: string
  /** The system's answer. */
  value?: unknown
  upstreamStatus?: number
  inDoubt?: true
  /** Places in the answer that are masked, `*` for all of it; absent where none are. */
  masked?: readonly string[]
  /** Places in the arguments that are wrong. */
  pointers: readonly string[]
  reply: Reply
}

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERRORS, code)

function codeOf(code: unknown, reply: Reply): ErrorCode {
  if (isCode(code)) return code
  throw new Error(`no code of the catalogue in ${reply.status} ${reply.text.slice(0, 500)}`)
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const pointersIn = (errors: unknown): string[] => items(errors).map((each) => String(fields(each).pointer))
/** As the header has them. */
const maskedIn = ({ headers }: Reply): string[] | undefined => headers['gatehouse-masked']?.split(', ')
const maskedList = (list: unknown): string[] | undefined =>
  Array.isArray(list) ? list.map((pointer) => (pointer === '' ? '*' : String(pointer))) : undefined
const callIdIn = ({ headers }: Reply): string | undefined => headers['gatehouse-call']?.split(', ').at(-1)

/** Leaves out what is undefined. */
function heard(parts: { [K in keyof Heard]: Heard[K] | undefined } & Pick<Heard, 'code' | 'pointers' | 'reply'>): Heard {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as unknown as Heard
}

/** A problem, or the system's own answer, of the HTTP door and the call status. */
export function heardHttp(reply: Reply): Heard {
  const body = jsonOf(reply)
  const problem = fields(body)
  if (!String(problem.type).startsWith('urn:gatehouse:problem:')) {
    const ok = reply.status < 400
    const value = { value: body ?? (reply.text === '' ? null : reply.text) }
    return heard({
      code: ok ? 'OK' : 'UPSTREAM',
      callId: callIdIn(reply),
      ...(ok ? value : { upstreamStatus: reply.status }),
      masked: maskedIn(reply),
      pointers: [],
      reply,
    })
  }
  const { code, reason, advice, callId, upstreamStatus, inDoubt, errors } = problem
  if (reply.headers['content-type'] !== 'application/problem+json; charset=utf-8') throw new Error('a problem without its content type')
  return heard({
    code: codeOf(code, reply),
    reason: text(reason),
    advice: text(advice),
    callId: text(callId) ?? callIdIn(reply),
    upstreamStatus: typeof upstreamStatus === 'number' ? upstreamStatus : undefined,
    inDoubt: inDoubt === true ? true : undefined,
    masked: maskedIn(reply),
    pointers: pointersIn(errors),
    reply,
  })
}

/** The first error of a GraphQL answer, or the value of its one root field. */
export function heardGraphql(reply: Reply): Heard {
  const { data, errors, extensions } = fields(jsonOf(reply))
  const [error] = items(errors)
  const masked = maskedList(Object.values(fields(fields(fields(extensions).gatehouse).masked))[0])
  if (error === undefined)
    return heard({ code: 'OK', callId: callIdIn(reply), value: Object.values(fields(data))[0], masked, pointers: [], reply })
  const { code, reason, advice, callId, upstreamStatus, inDoubt } = fields(fields(error).extensions)
  return heard({
    code: codeOf(code, reply),
    reason: text(reason),
    advice: text(advice),
    callId: text(callId),
    upstreamStatus: typeof upstreamStatus === 'number' ? upstreamStatus : undefined,
    inDoubt: inDoubt === true ? true : undefined,
    masked,
    pointers: items(errors).flatMap((each) => pointersIn(fields(fields(each).extensions).errors)),
    reply,
  })
}

const STATES: Readonly<Record<string, Heard['code']>> = {
  completed: 'OK',
  held: 'HELD',
  approved: 'RUNNING',
  executing: 'RUNNING',
  denied: 'DENIED',
  rejected: 'DENIED',
  expired: 'EXPIRED',
  cancelled: 'CANCELLED',
}

/** How a call stands, as `call(id)` and `/v1/calls/{id}` tell it. */
export function heardState(
  reply: Reply,
  callId: string,
  { state, error, result, masked, upstreamStatus }: Readonly<Record<string, unknown>>,
): Heard {
  const { code, advice } = fields(error)
  return heard({
    code: STATES[String(state)] ?? codeOf(code, reply),
    reason: state === 'rejected' ? 'rejected' : undefined,
    advice: text(advice),
    callId,
    ...(state === 'completed' ? { value: result } : { upstreamStatus: typeof upstreamStatus === 'number' ? upstreamStatus : undefined }),
    inDoubt: state === 'in_doubt' ? true : undefined,
    masked: items(masked).length > 0 ? maskedList(masked) : undefined,
    pointers: [],
    reply,
  })
}

/** JSON-RPC code of what becomes NOT_FOUND in our catalogue. */
const INVALID_PARAMS = -32602

/** A tool result, read as a model reads it: the sentences are all there is. */
export function heardMcp(reply: Reply, message: unknown): Heard {
  const { error, result } = fields(message)
  const callId = callIdIn(reply)
  if (error !== undefined) {
    const { code, message: said, data } = fields(error)
    const unknownTool = code === INVALID_PARAMS && String(said).startsWith('unknown tool')
    return heard({
      code: unknownTool ? 'NOT_FOUND' : isCode(fields(data).code) ? codeOf(fields(data).code, reply) : 'BAD_INPUT',
      pointers: pointersIn(fields(data).errors).map((pointer) => pointer.replace(/^\/params\/arguments(?=\/)/, '')),
      reply,
    })
  }
  const { content, isError, structuredContent, _meta } = fields(result)
  const masked = maskedList(fields(_meta)['gatehouse/masked'])
  const said = items(content)
    .map((block) => String(fields(block).text))
    .join('\n')
  if (isError !== true) return heard({ code: 'OK', callId, value: unwrapped(structuredContent ?? said), masked, pointers: [], reply })
  if (structuredContent !== undefined) throw new Error('an error with structured content')
  return heard({ ...sentence(said, reply), callId, masked, reply })
}

/** What is no object is wrapped, since structured content is one. */
function unwrapped(value: unknown): unknown {
  const keys = Object.keys(fields(value))
  return keys.length === 1 && keys[0] === 'result' ? fields(value).result : value
}

function sentence(said: string, reply: Reply): Pick<Heard, 'code' | 'pointers'> & Partial<Heard> {
  const denied = /^NOT EXECUTED: denied \((\w+)[^)]*\)\. (.*) Call id: call_\w+\.$/s.exec(said)
  if (denied) {
    const [, reason = '', words = ''] = denied
    const advice = words.startsWith('Do not repeat it unchanged;') ? {} : { advice: words }
    return { code: 'DENIED', reason, ...advice, pointers: [] }
  }
  // A client would refuse it for its form, so it comes as text.
  const odd = /^EXECUTED\. Its answer differs from the declared form.*? The answer: (.*)$/s.exec(said)?.[1]
  if (odd !== undefined) return { code: 'OK', value: odd.startsWith('Done;') ? null : odd, pointers: [] }
  if (said.startsWith('NOT EXECUTED yet. Held as call_')) return { code: 'HELD', pointers: [] }
  if (said.startsWith('Approved and running')) return { code: 'RUNNING', pointers: [] }
  const [, code, status] = /\(([A-Z_]+)(?:, status (\d+))?\)/.exec(said) ?? []
  return {
    code: codeOf(code, reply),
    ...(status === undefined ? {} : { upstreamStatus: Number(status) }),
    ...(said.startsWith('IN DOUBT') ? { inDoubt: true as const } : {}),
    pointers: [...said.matchAll(/^- (\S+): /gm)].map(([, pointer = '']) => (pointer === '(arguments)' ? '' : pointer)),
  }
}
