import { Agent, request } from 'node:http'

export interface Outgoing {
  method?: string
  /** Sent as it is: nothing is encoded, folded or normalised. */
  path: string
  headers?: Readonly<Record<string, string>>
  body?: string | Uint8Array
}

export interface Reply {
  status: number
  /** Lower-case names; repeated ones joined. */
  headers: Readonly<Record<string, string>>
  bytes: Buffer
  text: string
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** One HTTP request as written, and its whole answer. Throws where the connection breaks. */
export function send(base: string, { method = 'GET', path, headers = {}, body }: Outgoing): Promise<Reply> {
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const req = request({ agent, host: hostname, port, method, path, headers: { ...length, ...headers } }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const named = Object.entries(res.headers).map(
          ([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)] as const,
        )
        resolve({ status: res.statusCode ?? 0, headers: Object.fromEntries(named), bytes, text: bytes.toString('utf8') })
      })
    })
    req.on('error', reject)
    // As bytes: beside a text, node would write the headers in the encoding of the text.
    req.end(body === undefined ? undefined : Buffer.from(body))
  })
}

/** Reads the JSON of an answer; undefined where it is none. */
export function jsonOf({ text }: Pick<Reply, 'text'>): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export type Fields = Record<string, unknown>
export const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
