import type { IncomingMessage, ServerResponse } from 'node:http'

/** Ways in which a badly kept system gives away the credential that it was called with. */
export const LEAKS = [
  'plain',
  'all headers',
  'base64',
  'base64 shifted by one',
  'base64 shifted by two',
  'base64url',
  'url',
  'hex',
  'HEX',
  'json escaped',
  'json inside json',
  'split',
  'byte by byte',
  'passed headers',
  'other headers',
  'cookie',
  'text',
  'bytes',
  'problem 400',
  'problem 404',
  'error 500',
  'redirect',
  'challenge',
  'key name',
] as const
export type Leak = (typeof LEAKS)[number]

/** Answers with the request's credential in the form that the query or body asks for. */
export function leakTo(req: IncomingMessage, res: ServerResponse, body: string): void {
  const asked = new URL(req.url ?? '/', 'http://probe.invalid').searchParams.get('form') ?? String(JSON.parse(body || '{}').form)
  const secret = String(req.headers['x-probe-key'])
  const leak = leaks(secret)[asked as Leak]
  if (leak === undefined) {
    res.writeHead(400).end('no such form')
    return
  }
  const { status = 200, headers = {}, chunks } = { chunks: [JSON.stringify({ all: req.headers })], ...leak }
  res.writeHead(status, { 'content-type': 'application/json', ...headers })
  const rest = [...chunks]
  const next = (): void => {
    const chunk = rest.shift()
    if (chunk === undefined) res.end()
    else res.write(chunk, () => setImmediate(next))
  }
  next()
}

interface Leaked {
  status?: number
  headers?: Record<string, string | string[]>
  chunks?: readonly (string | Uint8Array)[]
}

const base64 = (secret: string, before: number): string => Buffer.from(`${'-'.repeat(before)}${secret}`).toString('base64')
const said = (value: string): readonly string[] => [JSON.stringify({ said: value })]

function leaks(secret: string): Readonly<Record<Leak, Leaked>> {
  const hex = Buffer.from(secret).toString('hex')
  const middle = Math.floor(secret.length / 2)
  return {
    plain: { chunks: said(secret) },
    'all headers': {},
    base64: { chunks: said(base64(secret, 0)) },
    'base64 shifted by one': { chunks: said(base64(secret, 1)) },
    'base64 shifted by two': { chunks: said(base64(secret, 2)) },
    base64url: { chunks: said(Buffer.from(secret).toString('base64url')) },
    url: { chunks: said(encodeURIComponent(secret)) },
    hex: { chunks: said(hex) },
    HEX: { chunks: said(hex.toUpperCase()) },
    'json escaped': { chunks: [`{"said":${JSON.stringify(secret).replaceAll('/', '\\/')}}`] },
    'json inside json': { chunks: said(JSON.stringify({ key: secret })) },
    split: { chunks: ['{"said":"', secret.slice(0, middle), secret.slice(middle), '"}'] },
    'byte by byte': { chunks: [...JSON.stringify({ said: secret })] },
    'passed headers': {
      headers: { etag: `"${secret}"`, 'content-disposition': `attachment; filename="${secret}"`, 'retry-after': secret },
    },
    'other headers': { headers: { 'x-debug-key': secret, server: secret, via: secret, 'x-probe-key': secret } },
    cookie: { headers: { 'set-cookie': [`session=${secret}`, `again=${base64(secret, 0)}`] } },
    text: { headers: { 'content-type': 'text/plain' }, chunks: [`the key is ${secret}\n`] },
    bytes: { headers: { 'content-type': 'application/octet-stream' }, chunks: [Uint8Array.of(0xff, 0xfe), secret, Uint8Array.of(0xff)] },
    'problem 400': { status: 400, chunks: [JSON.stringify({ detail: `bad key ${secret}` })] },
    'problem 404': { status: 404, headers: { etag: secret }, chunks: [JSON.stringify({ detail: hex })] },
    'error 500': { status: 500, chunks: [JSON.stringify({ stack: `Error: ${secret}` })] },
    redirect: { status: 302, headers: { location: `/leaks?form=plain&key=${encodeURIComponent(secret)}` }, chunks: [secret] },
    challenge: { status: 401, headers: { 'www-authenticate': `Probe key="${secret}"` }, chunks: [secret] },
    'key name': { chunks: [JSON.stringify({ [secret]: 1, [hex]: [{ [base64(secret, 1)]: true }] })] },
  }
}
