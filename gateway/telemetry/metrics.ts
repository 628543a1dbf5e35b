import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { CALL_STATES } from '../core/call.ts'
import { ERRORS } from '../core/errors.ts'
import type { Catalogue } from '../core/operation.ts'
import { LIMITS } from '../limits.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import { type Reading, sharedReading } from './gauge-reading.ts'

type Labels = Readonly<Record<string, string>>

/** One metric as the reference lists it. */
export interface MetricDescription {
  readonly name: string
  readonly type: 'counter' | 'histogram' | 'gauge'
  readonly labels: readonly string[]
  readonly help: string
}

const COUNTED = LIMITS.unsettledCountedMax.toLocaleString('en')

/** Every metric of our own; `process_*` and `nodejs_*` come beside them from the runtime. */
export const METRICS = {
  calls: {
    name: 'gatehouse_calls_total',
    type: 'counter',
    labels: ['door', 'connector', 'operation', 'outcome'],
    help: 'Calls answered, by door, connector, operation and outcome.',
  },
  refused: {
    name: 'gatehouse_refused_total',
    type: 'counter',
    labels: ['door', 'code'],
    help: 'Requests that never became a call, by door and error code.',
  },
  policy_reload_failures: {
    name: 'gatehouse_policy_reload_failures_total',
    type: 'counter',
    labels: [],
    help: 'Edited policy files that were faulty, so that the policies before them stayed in force.',
  },
  notices: {
    name: 'gatehouse_notices_total',
    type: 'counter',
    labels: ['channel', 'outcome'],
    help: 'Notices to people, by kind of channel (mail, webhook) and what became of them (sent, later, given_up, obsolete).',
  },
  notices_waiting: {
    name: 'gatehouse_notices_waiting',
    type: 'gauge',
    labels: [],
    help: `Notices that wait to be sent, up to ${LIMITS.noticesCountedMax.toLocaleString('en')}. Absent where no channel is configured.`,
  },
  call_seconds: {
    name: 'gatehouse_call_seconds',
    type: 'histogram',
    labels: ['door', 'connector'],
    help: 'Seconds from arrival of a call to its answer, waiting for people left out.',
  },
  upstream_seconds: {
    name: 'gatehouse_upstream_seconds',
    type: 'histogram',
    labels: ['connector'],
    help: 'Seconds that the system behind the connector took.',
  },
  record_queue_units: {
    name: 'gatehouse_record_queue_units',
    type: 'gauge',
    labels: [],
    help: 'Units of the record that wait for their commit.',
  },
  bus_connected: {
    name: 'gatehouse_bus_connected',
    type: 'gauge',
    labels: [],
    help: '1 while processes wake each other through Redis, 0 while they look about every second. Absent without Redis.',
  },
  follower_failures: {
    name: 'gatehouse_follower_failures_total',
    type: 'counter',
    labels: ['follower'],
    help: 'Times that what follows the record failed and had to try again, by follower.',
  },
  follower_lag_seconds: {
    name: 'gatehouse_follower_lag_seconds',
    type: 'gauge',
    labels: ['follower'],
    help: 'Seconds that the oldest entry waits which a follower of the record has not taken: the same from every replica.',
  },
  log_floor: {
    name: 'gatehouse_log_floor',
    type: 'gauge',
    labels: [],
    help: 'Index of the first entry of the log that was not removed under retention: the same from every replica. Absent where entries are kept for good.',
  },
  log_floor_held: {
    name: 'gatehouse_log_floor_held',
    type: 'gauge',
    labels: [],
    help: '1 while entries that are old enough are kept for a call that is not over or a follower that is behind, which `logFloor { heldBy }` names, else 0. Absent where entries are kept for good.',
  },
  sinks_stopped: {
    name: 'gatehouse_sinks_stopped',
    type: 'gauge',
    labels: ['follower'],
    help: '1 for a sink whose receiver will never take what it is given, so that it stopped until this process starts anew, else 0. Absent without sinks.',
  },
  calls_in_doubt: {
    name: 'gatehouse_calls_in_doubt',
    type: 'gauge',
    labels: [],
    help: `Calls of which nobody knows whether they happened, until a person has found out, up to ${COUNTED}: the same from every replica.`,
  },
  holds_open: {
    name: 'gatehouse_holds_open',
    type: 'gauge',
    labels: [],
    help: `Held calls that wait for people, up to ${COUNTED}: the same from every replica.`,
  },
  holds_expiring: {
    name: 'gatehouse_holds_expiring',
    type: 'gauge',
    labels: [],
    help: `Of the open holds, those that expire within ${LIMITS.holdExpiringMs / 60_000} minutes.`,
  },
  log_broken: {
    name: 'gatehouse_log_broken',
    type: 'gauge',
    labels: [],
    help: '1 while the log in the database is not what this gateway signed, so that nothing more is signed or an entry is not what the log has of it; else 0.',
  },
  record_altered: {
    name: 'gatehouse_record_altered_total',
    type: 'counter',
    labels: ['what'],
    help: 'Times that something in the database was not what was recorded, by what it is (policy set, entry): it was not served.',
  },
  policies_behind: {
    name: 'gatehouse_policies_behind',
    type: 'gauge',
    labels: [],
    help: '1 while this process cannot take over the active policy set and refuses calls, else 0.',
  },
  database_connected: {
    name: 'gatehouse_database_connected',
    type: 'gauge',
    labels: [],
    help: '1 while the database takes writes, 0 while it does not and calls are refused.',
  },
  witness_lag_seconds: {
    name: 'gatehouse_witness_lag_seconds',
    type: 'gauge',
    labels: ['witness'],
    help: 'Seconds that the oldest entry of the log waits which a witness has not cosigned: the same from every replica. Absent without witnesses.',
  },
  witness_refusals: {
    name: 'gatehouse_witness_refusals_total',
    type: 'counter',
    labels: ['witness'],
    help: 'Times that a witness did not find the log to go on from what it cosigned before: the log was forked, rolled back or replaced.',
  },
  connector_drift: {
    name: 'gatehouse_connector_drift',
    type: 'gauge',
    labels: [],
    help: 'Operations that are refused since their system describes them otherwise than they were reviewed, as this process saw it last.',
  },
  waiters: { name: 'gatehouse_waiters', type: 'gauge', labels: [], help: 'Requests that wait for people or for a running call.' },
} as const satisfies Record<string, MetricDescription>

export type GaugeName = { [N in keyof typeof METRICS]: (typeof METRICS)[N]['type'] extends 'gauge' ? N : never }[keyof typeof METRICS]

type CounterName = Exclude<keyof typeof METRICS, GaugeName | 'call_seconds' | 'upstream_seconds'>
const COUNTERS = (Object.keys(METRICS) as (keyof typeof METRICS)[]).filter((name): name is CounterName => METRICS[name].type === 'counter')

const OTHER = 'other'
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const DOORS: ReadonlySet<string> = new Set(['graphql', 'mcp', 'http', 'status', 'otlp', 'operator', 'oauth', 'health'])
const OUTCOMES: ReadonlySet<string> = new Set([
  ...CALL_STATES,
  ...Object.keys(ERRORS),
  ...['result', 'replayed', 'running', 'ended', 'refused', 'permit', 'hold', 'deny', 'not_sent'],
])
const CHANNELS: ReadonlySet<string> = new Set(['mail', 'webhook'])
const ALTERED: ReadonlySet<string> = new Set(['policy set', 'entry'])
const NOTICE_OUTCOMES: ReadonlySet<string> = new Set(['sent', 'later', 'given_up', 'obsolete'])
const CODES: ReadonlySet<string> = new Set(Object.keys(ERRORS))

const among = (known: ReadonlySet<string>, value: string | undefined): string => (value !== undefined && known.has(value) ? value : OTHER)

/** One value of a family. A histogram has one for each bucket (label `le`), one `_sum` and one `_count`, as the text format does. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** All that `/metrics` says under one name. */
export interface Family {
  readonly name: string
  readonly type: MetricDescription['type']
  readonly help: string
  readonly samples: readonly Sample[]
}

/** Prometheus metrics of one gateway, in a registry of its own. */
export interface Metrics {
  count: Telemetry['count']
  observe(name: 'call_seconds' | 'upstream_seconds', seconds: number, labels: Labels): void
  /**
   * Has a gauge read at every scrape and export, and not again within `freshMs`. Where the read fails or takes longer than `LIMITS.gaugeReadMsMax`, the gauge is
   * left out, or has the value that `otherwise` says.
   */
  gauge(name: GaugeName, read: () => Reading | Promise<Reading>, freshMs?: number, otherwise?: number): void
  /** When all counters were 0, in milliseconds since 1970. */
  readonly sinceMs: number
  families(): Promise<readonly Family[]>
  text(): Promise<{ contentType: string; body: string }>
  close(): void
}

/** Connectors and operations that may be labels: those of the catalogue. All else is `other`, so a caller cannot make series. */
function boundedLabels(catalogue: () => Catalogue | undefined) {
  let seen: Catalogue | undefined
  let connectors: ReadonlySet<string> = new Set()
  let operations: ReadonlySet<string> = new Set()
  const series = new Set<string>()
  const refresh = (): void => {
    const now = catalogue()
    if (now === seen || !now) return
    seen = now
    connectors = new Set(now.connectors.map((c) => c.name))
    operations = new Set(now.operations.keys())
  }
  return {
    connector(labels: Labels): string {
      refresh()
      return among(connectors, labels.connector ?? labels.operation?.split('.', 1)[0])
    },
    /** The operation, or `other` once the metric has as many series as it may. */
    operation(labels: Labels, rest: string): string {
      const operation = among(operations, labels.operation)
      const key = `${operation} ${rest}`
      if (series.has(key)) return operation
      if (series.size >= LIMITS.metricSeriesPerNameMax) return OTHER
      series.add(key)
      return operation
    },
  }
}

/** What of a counter's labels is known beforehand. A counter that is not here does not compile. */
const boundedCounts = (bound: ReturnType<typeof boundedLabels>): Readonly<Record<CounterName, (labels: Labels) => Labels>> => ({
  calls(labels) {
    const door = among(DOORS, labels.door)
    const outcome = among(OUTCOMES, labels.outcome)
    return { door, connector: bound.connector(labels), operation: bound.operation(labels, `${door} ${outcome}`), outcome }
  },
  refused: ({ door, code }) => ({ door: among(DOORS, door), code: among(CODES, code) }),
  policy_reload_failures: () => ({}),
  record_altered: ({ what }) => ({ what: among(ALTERED, what) }),
  follower_failures: ({ follower }) => ({ follower: follower ?? OTHER }),
  witness_refusals: ({ witness }) => ({ witness: witness ?? OTHER }),
  notices: ({ channel, outcome }) => ({ channel: among(CHANNELS, channel), outcome: among(NOTICE_OUTCOMES, outcome) }),
})

const COUNTED_FROM_THE_START: readonly (readonly [CounterName, Labels])[] = [
  ...[...CHANNELS].map((channel) => ['notices', { channel, outcome: 'given_up' }] as const),
  ...[...ALTERED].map((what) => ['record_altered', { what }] as const),
]

/** Makes the metrics. `catalogue` says which connectors and operations may be labels. */
export function createMetrics(catalogue: () => Catalogue | undefined): Metrics {
  const registry = new Registry()
  const sinceMs = Date.now()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const bound = boundedLabels(catalogue)
  const countedAs = boundedCounts(bound)
  const counters = new Map(COUNTERS.map((name) => [name, new Counter({ ...pick(name), registers })] as const))
  // A counter that comes into being with its first count never grows, as Prometheus sees it: what alerts ask for is there before.
  for (const [name, labels] of COUNTED_FROM_THE_START) counters.get(name)?.inc(labels, 0)
  const callSeconds = new Histogram({ ...pick('call_seconds'), buckets: SECONDS, registers })
  const upstreamSeconds = new Histogram({ ...pick('upstream_seconds'), buckets: SECONDS, registers })
  return {
    count: (name, labels) => counters.get(name)?.inc(countedAs[name](labels)),
    observe(name, seconds, labels) {
      if (!Number.isFinite(seconds) || seconds < 0) return
      const connector = bound.connector(labels)
      if (name === 'upstream_seconds') upstreamSeconds.observe({ connector }, seconds)
      else callSeconds.observe({ door: among(DOORS, labels.door), connector }, seconds)
    },
    gauge(name, read, freshMs = 0, otherwise = Number.NaN) {
      const latest = sharedReading(read, freshMs)
      registry.removeSingleMetric(METRICS[name].name)
      new Gauge({
        ...pick(name),
        registers,
        async collect() {
          const value = (await latest()) ?? otherwise
          // Between these two nothing else runs: another scrape sees the whole gauge.
          this.reset()
          if (typeof value !== 'number') for (const [of, each] of value) this.set({ [METRICS[name].labels[0] ?? 'of']: of }, each)
          else if (Number.isFinite(value)) this.set(value)
          // Without labels a reset leaves 0; with labels there is nothing left to remove, and removing it throws.
          else if (METRICS[name].labels.length === 0) this.remove()
        },
      })
    },
    sinceMs,
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    families: async () => (await registry.getMetricsAsJSON()).flatMap(familyOf),
    close: () => registry.clear(),
  }
}

const TYPES: ReadonlySet<string> = new Set(['counter', 'gauge', 'histogram'])

/** A family of the registry; its type is a word, whatever the declarations say. There are no summaries. */
function familyOf({ name, help, type, values }: Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]): Family[] {
  const word = String(type)
  if (!TYPES.has(word)) return []
  const samples = values.map((each) => {
    const { labels, value } = each
    return { name: 'metricName' in each ? String(each.metricName) : name, labels: withoutGaps(labels), value }
  })
  return [{ name, help, type: word as Family['type'], samples }]
}

const withoutGaps = (labels: Partial<Record<string, string | number>>): Record<string, string | number> =>
  Object.fromEntries(Object.entries(labels).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

function pick(name: keyof typeof METRICS): { name: string; help: string; labelNames: string[] } {
  const { help, labels } = METRICS[name]
  return { name: METRICS[name].name, help, labelNames: [...labels] }
}
