import { LIMITS } from '../limits.ts'
import type { LogStore, PublishedLog } from '../ports/log.ts'
import type { Log } from '../ports/telemetry.ts'
import type { AskedWitness } from './asked-witness.ts'

export interface PublishingOptions {
  witnesses: readonly AskedWitness[]
  store: Pick<LogStore, 'checkpoint'>
  published: PublishedLog
  /** The process that asks. */
  owner(): string
  log: Log
}

export interface RunningPublishing {
  /** Ends what is asked at once. Calling it twice is harmless. */
  close(): Promise<void>
}

/**
 * Publishes the newest checkpoint each second with the cosignatures that its witnesses give within `LIMITS.witnessAskMsMax`, and without those that they do
 * not: whoever is away delays nothing for longer. Of all replicas one does it at a time; another goes on within `LIMITS.witnessLeaseMs` of its end. What was
 * signed while nobody published is published when this resolves, so that the log does not shrink to who reads it next.
 */
export async function startPublishing(options: PublishingOptions): Promise<RunningPublishing> {
  await publishUnasked(options)
  const closing = new AbortController()
  const running = run(options, closing.signal)
  let closed: Promise<void> | undefined
  return {
    close() {
      closed ??= (async () => {
        closing.abort()
        await running
        await options.published.release(options.owner()).catch(() => undefined)
        await Promise.all(options.witnesses.map((witness) => witness.close()))
      })()
      return closed
    },
  }
}

async function publishUnasked({ store, published, owner }: PublishingOptions): Promise<void> {
  if (!(await published.lease(owner()))) return
  const [newest, now] = await Promise.all([store.checkpoint(), published.checkpoint()])
  if (newest && newest.size !== now?.size) await published.publish(owner(), newest, [])
}

async function run(options: PublishingOptions, closing: AbortSignal): Promise<void> {
  for (let failures = 0; !closing.aborted; ) {
    try {
      await publishNewest(options, closing)
      failures = 0
      await pause(LIMITS.pollMs, closing)
    } catch (error) {
      if (closing.aborted) return
      const retryMs = Math.min(LIMITS.pollMs * 2 ** failures++, LIMITS.followerRetryMsMax)
      options.log.error({ error, retryMs }, 'the newest checkpoint could not be published, and will be tried again')
      await pause(retryMs, closing)
    }
  }
}

async function publishNewest({ witnesses, store, published, owner }: PublishingOptions, closing: AbortSignal): Promise<void> {
  if (!(await published.lease(owner()))) return
  const checkpoint = await store.checkpoint()
  if (!checkpoint) return
  const last = await published.cosignatures()
  const due = witnesses.filter((witness) => witness.isDue(checkpoint.size, last.get(witness.vkey)))
  const asked = await Promise.all(due.map((witness) => witness.ask(checkpoint, last.get(witness.vkey), closing)))
  const cosignatures = asked.filter((one) => one !== undefined)
  if (closing.aborted) return
  const now = await published.checkpoint()
  if (cosignatures.length > 0 || now?.size !== checkpoint.size) await published.publish(owner(), checkpoint, cosignatures)
}

function pause(ms: number, closing: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms).unref()
  const end = (): void => {
    clearTimeout(timer)
    resolve()
  }
  closing.addEventListener('abort', end, { once: true })
  if (closing.aborted) end()
  return promise.finally(() => closing.removeEventListener('abort', end))
}
