import autocannon from 'autocannon'
import { Pool } from 'undici'
import { percentile } from './statistics.ts'
import { isGood, requestOf, type Target } from './workload.ts'

/** Closed: as fast as `connections` clients can. Open: `rate` calls a second, whether or not the ones before were answered. */
export type LoadOrder = { mode: 'closed'; connections: number } | { mode: 'open'; rate: number }

export interface Load {
  target: Target
  order: LoadOrder
  calls: number
  /** The first call's number: no two loads of a run make equal calls. */
  from: number
}

export interface LoadResult {
  calls: number
  /** Answers that were not the ones asked for, and connections that broke. */
  failures: number
  seconds: number
  p50Ms: number
  p99Ms: number
}

const CALL_TIMEOUT_S = 20

function closed(load: Load, connections: number): Promise<LoadResult> {
  const { target, calls } = load
  let n = load.from
  const startMs = performance.now()
  return new Promise((resolve, reject) => {
    const options: autocannon.Options = {
      url: target.url,
      connections,
      amount: calls,
      timeout: CALL_TIMEOUT_S,
      // It looks only at each sample whether it is done.
      sampleInt: 10,
      verifyBody: (body) => isGood(target, String(body)),
      requests: [{ setupRequest: (request) => ({ ...request, ...requestOf(target, n++) }) }],
    }
    autocannon(options, (error, result) => {
      if (error) return reject(error)
      const { errors, mismatches, non2xx, latency, requests } = result
      resolve({
        calls: requests.total,
        failures: errors + mismatches + non2xx,
        seconds: (performance.now() - startMs) / 1_000,
        p50Ms: latency.p50,
        p99Ms: latency.p99,
      })
    })
  })
}

async function open({ target, calls, from }: Load, rate: number): Promise<LoadResult> {
  const pool = new Pool(target.url, { connections: 64, headersTimeout: CALL_TIMEOUT_S * 1_000 })
  const latencies: number[] = []
  let failures = 0
  const one = async (n: number): Promise<void> => {
    const { method, path, headers, body } = requestOf(target, n)
    const sentMs = performance.now()
    try {
      const answer = await pool.request({ method, path, headers, body: body ?? null })
      const text = await answer.body.text()
      latencies.push(performance.now() - sentMs)
      if (!isGood(target, text)) failures++
    } catch {
      failures++
    }
  }
  const startMs = performance.now()
  const running: Promise<void>[] = []
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const due = Math.min(calls, Math.floor(((performance.now() - startMs) * rate) / 1_000))
      while (running.length < due) running.push(one(from + running.length))
      if (running.length < calls) setTimeout(tick, 1)
      else resolve()
    }
    tick()
  })
  await Promise.all(running)
  const seconds = (performance.now() - startMs) / 1_000
  await pool.close()
  return { calls, failures, seconds, p50Ms: percentile(latencies, 50), p99Ms: percentile(latencies, 99) }
}

process.on('message', (load: Load) => {
  const done = load.order.mode === 'closed' ? closed(load, load.order.connections) : open(load, load.order.rate)
  done.then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.({ value: {} })
