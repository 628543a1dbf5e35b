import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { lineText, tileFile } from '../gateway/audit/exported-line.ts'
import { verifyExport } from '../gateway/audit/verify-export.ts'
import { canonicalJson, type JsonValue } from '../gateway/core/json.ts'
import { signCheckpoint } from '../gateway/record/checkpoint.ts'
import { FORM } from '../gateway/record/leaf.ts'
import { leafHash, rootHash } from '../gateway/record/merkle.ts'
import { noteSigner } from '../gateway/record/signed-note.ts'
import { foldTile, subtreesOf, TILE_WIDTH, tilePath, tilesOf } from '../gateway/record/tile.ts'

const ORIGIN = 'gatehouse/bench'
const COMMITMENT = 'c'.repeat(64)
const request = { owner: 'olga', subject: 'paul', actors: ['helper'], agent: 'helper', operation: 'erp.releasePayment', input: {} }

/** Three entries a call; every tenth call is denied by its only one, every fiftieth ends in doubt. */
function* leaves(entries: number): Generator<string> {
  for (let index = 0, call = 0; index < entries; call += 1) {
    const id = `call_${String(call).padStart(26, '0')}`
    const effect = call % 10 === 0 ? 'deny' : 'permit'
    const intent = `int_${call}`
    const evidence = { engine: 'cedar', policySet: 'f'.repeat(64), request: {} }
    const bodies: JsonValue[] = [{ kind: 'decision', request, decision: { verdict: { effect, policies: [] }, evidence } }]
    if (effect === 'permit') bodies.push({ kind: 'intent', intent, consumes: null, agentEpoch: 1, policySet: 'f'.repeat(64) })
    if (effect === 'permit' && call % 50 !== 1) bodies.push({ kind: 'outcome', intent, outcome: { kind: 'succeeded', upstreamMs: 12 } })
    for (const [at, body] of bodies.entries()) {
      if (index === entries) return
      index += 1
      yield canonicalJson({ form: FORM, process: 'gw', seq: index, at: index, call: id, body, commitment: at === 0 ? COMMITMENT : null })
    }
  }
}

async function write(dir: string, entries: number): Promise<string> {
  const levels: Uint8Array[][] = [[]]
  const lines = function* () {
    let index = 0
    for (const leaf of leaves(entries)) {
      levels[0]?.push(leafHash(Buffer.from(leaf)))
      yield `${lineText({ index, leaf })}\n`
      index += 1
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(join(dir, 'entries.ndjson')))
  for (let level = levels[0] ?? []; level.length >= TILE_WIDTH; levels.push(level)) {
    const below = level
    level = Array.from({ length: Math.floor(below.length / TILE_WIDTH) }, (_, at) =>
      foldTile(below.slice(at * TILE_WIDTH, (at + 1) * TILE_WIDTH)),
    )
  }
  for (const address of tilesOf(entries)) {
    const file = join(dir, tileFile(tilePath(address)))
    mkdirSync(dirname(file), { recursive: true })
    const from = address.index * TILE_WIDTH
    writeFileSync(file, Buffer.concat(levels[address.level]?.slice(from, from + address.width) ?? []))
  }
  const signer = noteSigner(ORIGIN, randomBytes(32))
  const read = subtreesOf(async (level, index) => levels[level]?.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH) ?? [])
  writeFileSync(join(dir, 'checkpoint'), signCheckpoint({ origin: ORIGIN, size: entries, root: await rootHash(read, entries) }, [signer]))
  writeFileSync(join(dir, 'log.vkey'), `${signer.vkey}\n`)
  writeFileSync(
    join(dir, 'export.json'),
    JSON.stringify({ form: 'gatehouse/export@v1', size: entries, part: 'whole', asked: 'everything' }),
  )
  return signer.vkey
}

/** `ENTRIES [DIR]` makes an export without payloads; `verify DIR` verifies it, in a process of its own whose memory that is. */
const [what = '1000000', given] = process.argv.slice(2)
if (what === 'verify' && given !== undefined) {
  const startedMs = performance.now()
  const { ok, entries, calls } = await verifyExport(given, { vkey: null, since: null, allowMissingSets: true })
  const seconds = (performance.now() - startedMs) / 1_000
  const peak = Math.round(process.resourceUsage().maxRSS / 1_024)
  console.log(`ok: ${ok}, ${calls?.calls} calls, ${calls?.inDoubt.count} in doubt`)
  console.log(`${entries} entries in ${seconds.toFixed(1)} s (${Math.round(entries / seconds)} a second), at most ${peak} MB resident`)
} else {
  const dir = given ?? mkdtempSync(join(tmpdir(), 'gatehouse-verify-bench-'))
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  await write(dir, Number(what))
  console.log(`written to ${dir}: now \`node tools/run.mjs bench/test-verify-export verify ${dir}\``)
}
