import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openCheckpoint } from '../record/checkpoint.ts'
import { type Hash, leafHash, rootHash, verifyInclusion } from '../record/merkle.ts'
import { parseVerifierKey } from '../record/signed-note.ts'
import { bundlePath, hashesOf, subtreesOf, tilePath, tilesOf } from '../record/tile.ts'
import { parseProof, verifyProof } from '../record/tlog-proof.ts'
import { type Bed, startBed } from './harness.ts'
import { fields, items, send } from './send.ts'

const CANARY = 'ada.lovelace.canary@customers.example'
const WHY = 'Ada asked for it on the telephone'

let bed: Bed
let callId = ''

const get = async (path: string, token?: string) =>
  send(bed.url, { method: 'GET', path, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })
const bytes = async (path: string, token?: string): Promise<Uint8Array> => {
  const response = await fetch(`${bed.url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
  expect(response.status, path).toBe(200)
  return new Uint8Array(await response.arrayBuffer())
}
const vkey = async () => parseVerifierKey((await get('/v1/log.vkey')).text)
const checkpoint = async () => openCheckpoint((await get('/v1/checkpoint')).text, [await vkey()], 'gatehouse/acme')

/** The leaves of a tree of this size, as bundles of entries hold them. */
async function leaves(size: number, token: string): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (const { index, width } of [...tilesOf(size)].filter(({ level }) => level === 0)) {
    const bundle = Buffer.from(await bytes(`/v1/${bundlePath(index, width)}`, token))
    for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
      found.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)))
  }
  return found
}

beforeAll(async () => {
  bed = await startBed()
  const token = await bed.agentToken('support-triage', 'sam')
  const reply = await send(bed.url, {
    method: 'GET',
    path: `/proxy/crm/customers?q=${encodeURIComponent(CANARY)}`,
    headers: { authorization: `Bearer ${token}`, 'gatehouse-rationale': WHY },
  })
  expect(reply.status, reply.text).toBe(200)
  callId = String(reply.headers['gatehouse-call'])
  await vi.waitFor(
    async () =>
      expect(items(fields((await asAuditor(LOGGED)).call).logged)).toContainEqual(
        expect.objectContaining({ leaf: expect.stringContaining('"outcome"') }),
      ),
    {
      timeout: 20_000,
      interval: 50,
    },
  )
})
afterAll(() => bed?.close())

const LOGGED = 'query ($id: ID!) { call(id: $id) { logged { index leaf proof } } }'
const asAuditor = (query: string) => bed.people('lee', query, { id: callId })

describe('the log that is served', () => {
  test('tiles add up to the root that its checkpoint signs, and entries to its leaves', async () => {
    const { size, root } = await checkpoint()
    const tiles = new Map<string, readonly Hash[]>()
    for (const address of tilesOf(size)) tiles.set(`${address.level}/${address.index}`, hashesOf(await bytes(`/v1/${tilePath(address)}`)))
    const read = subtreesOf((level, index) => Promise.resolve(tiles.get(`${level}/${index}`) ?? []))
    expect(Buffer.from(await rootHash(read, size)).toString('hex')).toBe(Buffer.from(root).toString('hex'))
    const held = await leaves(size, await bed.personToken('lee'))
    expect(held.map((leaf) => Buffer.from(leafHash(leaf)).toString('hex'))).toEqual(
      [...tiles].filter(([name]) => name.startsWith('0/')).flatMap(([, hashes]) => hashes.map((hash) => Buffer.from(hash).toString('hex'))),
    )
  })

  test('a call is proved entry by entry, to who has the key and nothing else', async () => {
    const logged = items(fields((await asAuditor(LOGGED)).call).logged).map(fields)
    expect(logged.slice(0, 3).map(({ leaf }) => fields(fields(JSON.parse(String(leaf))).body).kind)).toEqual([
      'decision',
      'intent',
      'outcome',
    ])
    for (const { index, leaf, proof } of logged) {
      const hash = leafHash(Buffer.from(String(leaf)))
      expect(verifyProof(String(proof), hash, [await vkey()], 'gatehouse/acme').index).toBe(index)
      const { path, ...rest } = parseProof(String(proof))
      expect(verifyInclusion(rest.index, Number(rest.checkpoint.split('\n')[1]), leafHash(Buffer.from('other')), path, hash)).toBe(false)
    }
  })

  test('arguments and reasons are not in it', async () => {
    const { size } = await checkpoint()
    const text = Buffer.concat(await leaves(size, await bed.personToken('lee'))).toString()
    expect(text).toContain(callId)
    expect(text).not.toContain(CANARY)
    expect(text).not.toContain('Ada')
  })

  test('what is there today is there, in the same bytes, once there is more', async () => {
    const before = await checkpoint()
    const [first] = tilesOf(before.size)
    const path = first ? `/v1/${tilePath(first)}` : ''
    const tile = await bytes(path)
    expect(await bytes(path.replace('/tile/', '/tiles/'))).toEqual(tile)
    const token = await bed.agentToken('support-triage', 'sam')
    await send(bed.url, { method: 'GET', path: '/proxy/crm/tickets', headers: { authorization: `Bearer ${token}` } })
    await vi.waitFor(async () => expect((await checkpoint()).size).toBeGreaterThan(before.size), { timeout: 20_000, interval: 50 })
    expect(await bytes(path)).toEqual(tile)
  })

  test.each([
    ['a tile that is not there yet', '/v1/tile/0/x001/000', 404],
    ['a width that is not there yet', '/v1/tile/0/000.p/255', 404],
    ['a path that is no tile', '/v1/tile/0/0', 404],
    ['out of the log', '/v1/tile/../../etc/passwd', 404],
    ['a path that is no tile, by the other name', '/v1/tiles/0/0', 404],
    ['both names at once', '/v1/tiles/tile/0/000', 404],
    ['entries without a token', '/v1/tile/entries/000.p/1', 401],
    ['entries without a token, by the other name', '/v1/tiles/entries/000.p/1', 401],
  ])('%s', async (_title, path, status) => {
    expect((await get(path)).status).toBe(status)
  })

  test.each([
    ['lee', 200],
    ['aisha', 200],
    ['olga', 403],
    ['maria', 403],
  ])('entries for %s: %i', async (person, status) => {
    expect((await get('/v1/tile/entries/000.p/1', await bed.personToken(person))).status).toBe(status)
  })

  test('agents get no entries', async () => {
    expect((await get('/v1/tile/entries/000.p/1', await bed.agentToken('support-triage', 'sam'))).status).toBe(401)
  })

  test('payloads are nowhere in the record’s rows in the clear but where calls need them', async () => {
    const { rows, entries } = await bed.remains()
    const decision = entries.find(({ callId: id, body }) => id === callId && body.kind === 'decision')?.body
    expect(fields(fields(decision).request).input).toEqual({ q: CANARY })
    const clear = rows.filter((row) => row.includes(CANARY) || row.includes(WHY))
    expect(clear.filter((row) => row.startsWith('entry') || row.startsWith('log_'))).toEqual([])
  })
})
