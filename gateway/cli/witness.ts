import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { openKeyFile } from '../credentials/key-file.ts'
import { LIMITS } from '../limits.ts'
import { type Cosigner, cosigner, type NoteVerifier, parseVerifierKey } from '../record/signed-note.ts'
import { lockDataDirectory } from '../storage/data-lock.ts'
import { createHttpServer } from '../surfaces/server.ts'
import { witnessRoutes } from '../surfaces/witness.ts'
import { createLog } from '../telemetry/log.ts'
import { writeDurably } from '../witness/durable-file.ts'
import { Evidence } from '../witness/evidence.ts'
import { KeptCheckpoints } from '../witness/kept-checkpoints.ts'
import { createWitness } from '../witness/witness.ts'
import { keysIn } from './key-arguments.ts'
import type { ExitCode, Output } from './output.ts'
import { untilSignal } from './serve.ts'

export interface WitnessOptions {
  host: string
  port: number
  /** Key, checkpoints and evidence lie here. */
  data: string
  /** Keys of logs, or files that have them. */
  logs: readonly string[]
  /** Of the witness; undefined takes the one that it has, or makes one from its key. */
  name: string | undefined
}

/** Runs a witness until SIGINT or SIGTERM. Throws CONFIG_INVALID, BAD_INPUT, DATA_LOCKED. */
export async function serveWitness(output: Output, { host, port, data, logs: given, name }: WitnessOptions): Promise<ExitCode> {
  const logs = await logsOf(given)
  const unlock = lockDataDirectory(data, 'stop that one, or choose another directory')
  const log = createLog('info', 'gatehouse-witness', process.stderr)
  const server = createHttpServer(log)
  try {
    const own = await openCosigner(data, name)
    const kept = await KeptCheckpoints.open(data, logs.keys(), own)
    const witness = createWitness({
      cosigner: own,
      logs,
      kept,
      evidence: new Evidence(data),
      clock: { now: () => instant(Date.now()) },
      log,
    })
    server.serve(witnessRoutes(witness, log))
    const ended = untilSignal()
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${await server.listen(port, host)}`
    output.print(`gatehouse witness serves at ${url}\n${own.vkey}`, { url, vkey: own.vkey, logs: [...logs.keys()] })
    await ended
  } finally {
    await server.close()
    unlock()
  }
  return 0
}

/** Keys by the name of their log. Throws BAD_INPUT. */
async function logsOf(given: readonly string[]): Promise<ReadonlyMap<string, readonly NoteVerifier[]>> {
  const keys = (await Promise.all(given.map(keysIn))).flat().map(parseVerifierKey)
  if (keys.length === 0) throw new GatewayError('BAD_INPUT', 'name a log with --log and its key: a witness cosigns no others')
  if (keys.length > LIMITS.witnessLogsMax) throw new GatewayError('BAD_INPUT', `at most ${LIMITS.witnessLogsMax} logs`)
  return Map.groupBy(keys, (key) => key.name)
}

/** The key of the witness, made at first start. Its name is part of what others know it by, so it stays. Throws CONFIG_INVALID. */
async function openCosigner(data: string, name: string | undefined): Promise<Cosigner> {
  const { key: seed } = await openKeyFile(data, 'witness.key', 'the witness')
  const file = join(data, 'witness.vkey')
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) {
    const made = cosigner(name ?? `witness-${createHash('sha256').update(cosigner('witness', seed).vkey).digest('hex').slice(0, 12)}`, seed)
    await writeDurably(file, `${made.vkey}\n`)
    return made
  }
  const known = parseVerifierKey(text)
  if (name !== undefined && name !== known.name)
    throw new GatewayError('CONFIG_INVALID', `this witness is named \`${known.name}\`: with another name it would be another witness`)
  const own = cosigner(known.name, seed)
  if (own.vkey !== known.vkey) throw new GatewayError('CONFIG_INVALID', `\`${file}\` is not of the key beside it`)
  return own
}
