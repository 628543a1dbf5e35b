import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Door, DOORS, McpClient, openDoor } from './doors.ts'
import { leakOf, whole } from './forms-of.ts'
import { type Bed, type Remains, startBed } from './harness.ts'
import type { Heard } from './heard.ts'
import { httpForms } from './http-form.ts'
import { LEAKS } from './probe/leak.ts'
import { send } from './send.ts'

/** Looks different in JSON, in URLs and in base64, and cannot be anything else. */
const CANARY = `cN+ry/9x&Q=="<k>~%41'z_${'7'.repeat(3)}kestrel`

/** A receiver of traces (OTLP over HTTP) that keeps what it gets. */
const received: string[] = []
const receiver = createServer((req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => {
    received.push(Buffer.concat(chunks).toString('latin1'))
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
})

const leakedIn = leakOf(CANARY)

let bed: Bed
let doors: readonly Door[]
const told: string[] = []

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  bed = await startBed({ probeKey: CANARY, environment: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'always_on' } })
  const forms = httpForms(bed.configFile, bed.environment)
  doors = DOORS.map((name) => openDoor(name, bed, forms))
})

afterAll(async () => {
  await bed?.close()
  receiver.close()
  receiver.closeAllConnections()
})

test('the detector finds every form that the system gives away', async () => {
  for (const form of LEAKS) {
    const reply = await send(bed.probe.url, { path: `/leaks?form=${encodeURIComponent(form)}`, headers: { 'x-probe-key': CANARY } })
    expect(leakedIn(whole(reply)), form).toBeDefined()
  }
})

/** The answer, and what a person and the agent can still read of it later. */
async function everythingAbout({ reply, callId }: Heard): Promise<string[]> {
  if (callId === undefined) return [whole(reply)]
  const headers = { authorization: `Bearer ${await bed.agentToken('prober')}` }
  const later = await Promise.all(['', '/response'].map((rest) => send(bed.url, { path: `/v1/calls/${callId}${rest}`, headers })))
  const query =
    'query ($id: ID!) { call(id: $id) { result { status headers body } outcome { error { message } } entries(payloads: true) { body } } }'
  return [whole(reply), ...later.map(whole), JSON.stringify(await bed.people('aisha', query, { id: callId }))]
}

describe.each(DOORS)('through %s', (name) => {
  const door = (): Door => {
    const found = doors.find((each) => each.name === name)
    if (!found) throw new Error('no such door')
    return found
  }

  test.each(LEAKS)('%s', async (form) => {
    const reached = bed.watch()
    for (const [operation, input] of [
      ['probe.leak', { form }],
      ['probe.leakOnWrite', { form, by: name }],
    ] as const) {
      const heard = await door().call({ agent: 'prober', operation, input })
      for (const text of await everythingAbout(heard)) {
        expect(leakedIn(text), `${operation}: ${text}`).toBeUndefined()
        told.push(text)
      }
    }
    // The credential did go out: what is missing in the answers was masked.
    expect(reached().length).toBeGreaterThanOrEqual(2)
    for (const { headers } of reached()) expect(headers['x-probe-key']).toBe(CANARY)
  })

  test.each(['crm', 'erp'] as const)('the headers of %s, as a diagnostics page shows them', async (system) => {
    const credential = bed.acme.credentials.find(({ connector }) => connector === system)?.value
    const secret =
      credential?.kind === 'header' ? credential.value : Buffer.from(`${credential?.username}:${credential?.password}`).toString('base64')
    const { code, reply } = await door().call({
      agent: 'shop-floor-watcher',
      operation: `${system}.diagnostics`,
      input: { echoHeaders: true },
    })
    expect([code, reply.text.includes('accept-encoding')]).toEqual(['OK', true])
    expect(reply.text).not.toContain(secret)
  })
})

test('a credential that is refused is not repeated in the refusal', async () => {
  const query =
    'mutation ($value: String!) { setCredential(connector: "probe", credential: "probe-key", kind: "header", header: "X-Probe-Key", value: $value) { version } }'
  const refusal = await bed.people(null, query, { value: `${CANARY}\r\nX-Other: 1` }).then(
    () => 'taken',
    (error: unknown) => String(error),
  )
  expect(refusal).toContain('BAD_INPUT')
  expect(leakedIn(refusal)).toBeUndefined()
})

test('tools, schemas and metrics do not have it', async () => {
  const mcp = new McpClient('mcp', bed)
  const seen = [await mcp.rpc({ agent: 'prober' }, 'tools/list', {}), await send(bed.url, { path: '/metrics' })]
  expect(seen.map(({ status }) => status)).toEqual([200, 200])
  for (const reply of seen) expect(leakedIn(whole(reply))).toBeUndefined()
  expect(seen[1]?.text).toContain('connector="probe"')
})

describe('what stays', () => {
  let remains: Remains
  beforeAll(async () => {
    remains = await bed.remains()
  })

  test('answers were read', () => expect(told.length).toBeGreaterThan(DOORS.length * LEAKS.length * 2))

  test('no row of the database has it', () => {
    expect(remains.rows.length).toBeGreaterThan(500)
    expect(remains.rows.some((row) => row.startsWith('credential '))).toBe(true)
    for (const row of remains.rows) expect(leakedIn(row)).toBeUndefined()
  })

  test('no file of the data directory has it', () => {
    const files = readdirSync(bed.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(files.length).toBeGreaterThan(20)
    for (const { parentPath, name } of files) expect(leakedIn(readFileSync(join(parentPath, name), 'latin1')), name).toBeUndefined()
  })

  test('no line of the log has it', () => {
    expect(bed.log()).toContain('gatehouse serves')
    expect(leakedIn(bed.log())).toBeUndefined()
  })

  test('no span has it', () => {
    const spans = received.join('\n')
    expect(spans).toContain('probe.leakOnWrite')
    expect(leakedIn(spans)).toBeUndefined()
  })
})
