import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { exportAudit } from '../../gateway/cli/audit-export.ts'
import { createOutput } from '../../gateway/cli/output.ts'
import type { Scene } from './scene.ts'
import type { Traffic } from './traffic.ts'
import { judge, type Verdict } from './verdict.ts'

const LOGGED_MS_MAX = 120_000
const CHECKPOINT_MS = 500

/** Keeps the checkpoints that are served, until it is stopped. */
export class CheckpointWatch {
  readonly notes: string[] = []
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(gateways: readonly { url: string }[]) {
    this.#running = this.#watch(gateways)
  }

  async close(): Promise<readonly string[]> {
    this.#stop.abort()
    await this.#running
    return this.notes
  }

  async #watch(gateways: readonly { url: string }[]): Promise<void> {
    const { signal } = this.#stop
    for (let turn = 0; !signal.aborted; turn += 1) {
      const { url = '' } = gateways[turn % gateways.length] ?? {}
      const note = await fetch(`${url}/v1/checkpoint`, { signal }).then(
        (answer) => (answer.ok ? answer.text() : ''),
        () => '',
      )
      if (note !== '' && !this.notes.includes(note)) this.notes.push(note)
      await sleep(CHECKPOINT_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

const quiet = createOutput(
  true,
  new Writable({ write: (_chunk, _encoding, done) => done() }),
  new Writable({ write: (_chunk, _encoding, done) => done() }),
)

/** Resolves once every entry is in the log; the number that still waits where that takes too long. */
export async function caughtUp(scene: Scene): Promise<number> {
  for (const deadline = Date.now() + LOGGED_MS_MAX; ; ) {
    const waiting = await scene.unlogged()
    if (waiting === 0 || Date.now() > deadline) return waiting
    await sleep(100)
  }
}

/** Ends the traffic, lets the log catch up, exports it through a gateway and judges what was said by it. */
export async function settle(scene: Scene, traffic: Traffic, watch: CheckpointWatch, out: string): Promise<Verdict> {
  await traffic.stop()
  const checkpoints = await watch.close()
  const [gateway] = scene.gateways
  if (!gateway) throw new Error('there is no gateway')
  const waiting = await caughtUp(scene)
  const vkey = await (await fetch(`${gateway.url}/v1/log.vkey`)).text()
  const everything = { out, since: null, until: null, calls: null, sample: null, payloads: true }
  await exportAudit(quiet, await gateway.audit(), everything)
  const verdict = await judge(out, traffic.answers, scene.journal(), { vkey: vkey.trim(), checkpoints })
  const dead = scene.gateways.filter(({ isAlive }) => !isAlive).length
  const more = [
    ...(waiting > 0 ? [`the log did not catch up: ${waiting} entries wait`] : []),
    ...(dead > 0 ? [`${dead} gateways have ended by themselves`] : []),
  ]
  return { ...verdict, violations: [...verdict.violations, ...more] }
}
