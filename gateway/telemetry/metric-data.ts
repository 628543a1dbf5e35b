import { type HrTime, ValueType } from '@opentelemetry/api'
import { AggregationTemporality, type DataPoint, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics'
import type { Family, Sample } from './metrics.ts'

type Distribution = Extract<MetricData, { dataPointType: DataPointType.HISTOGRAM }>['dataPoints'][number]['value']

/** OpenMetrics has the unit as the last word of a name, before `_total`; OTLP in the symbols of UCUM. */
const UNITS: Readonly<Record<string, string>> = { seconds: 's', bytes: 'By' }
const unitOf = (name: string): string =>
  UNITS[
    name
      .replace(/_total$/, '')
      .split('_')
      .at(-1) ?? ''
  ] ?? ''

const finite = ({ value }: Sample): boolean => Number.isFinite(value)

/**
 * Metric families of Prometheus as OTLP has them (OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility"): names and labels as they are, counters
 * as monotonic sums, gauges as gauges, histograms as histograms with explicit bounds, all cumulative since `start`. What has no value is left out.
 */
export function metricData(families: readonly Family[], start: HrTime, end: HrTime): MetricData[] {
  return families.flatMap((family): MetricData[] => {
    const { name, help, type } = family
    const descriptor = { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE }
    const base = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE }
    const point = <T>(attributes: Sample['labels'], value: T): DataPoint<T> => ({ attributes, value, startTime: start, endTime: end })
    if (type === 'histogram') {
      const dataPoints = distributions(family).map(({ labels, value }) => point(labels, value))
      return dataPoints.length === 0 ? [] : [{ ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints }]
    }
    const dataPoints = family.samples.filter(finite).map(({ labels, value }) => point(labels, value))
    if (dataPoints.length === 0) return []
    return type === 'counter'
      ? [{ ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }]
      : [{ ...base, dataPointType: DataPointType.GAUGE, dataPoints }]
  })
}

/** Lines of a histogram, put together by labels. Its buckets count what is at or below their bound, those of OTLP what is between two bounds. */
function distributions({ name, samples }: Family): { labels: Sample['labels']; value: Distribution }[] {
  const lines = Map.groupBy(samples, ({ labels: { le, ...labels } }) => JSON.stringify(Object.entries(labels).sort()))
  return [...lines.values()].map((of) => {
    const one = (suffix: string): number => of.find((sample) => sample.name === name + suffix)?.value ?? 0
    const upTo = of.filter((sample) => sample.name === `${name}_bucket`)
    const counts = upTo.map(({ value }, i) => value - (upTo[i - 1]?.value ?? 0))
    const boundaries = upTo.flatMap(({ labels: { le } }) => (le === '+Inf' ? [] : [Number(le)]))
    const { le, ...labels } = of[0]?.labels ?? {}
    return { labels, value: { buckets: { boundaries, counts }, sum: one('_sum'), count: one('_count') } }
  })
}
