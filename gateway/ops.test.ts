import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ERRORS } from './core/errors.ts'
import { type MetricDescription, METRICS } from './telemetry/metrics.ts'

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8')

interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; runbook: string }
}
interface Panel {
  title: string
  targets: readonly { expr: string; legendFormat: string }[]
}

const rules = (parse(read('ops/prometheus/rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
const { panels } = JSON.parse(read('ops/grafana/gatehouse.json')) as { panels: Panel[] }
const metrics: readonly MetricDescription[] = Object.values(METRICS)
const OF_HISTOGRAMS = /_(bucket|sum|count)$/
const OF_SCRAPES: ReadonlySet<string> = new Set(['le', 'instance', 'job'])

const metricOf = (name: string): MetricDescription | undefined =>
  metrics.find(
    (metric) => (metric.type === 'histogram' ? OF_HISTOGRAMS.test(name) && name.replace(OF_HISTOGRAMS, '') : name) === metric.name,
  )

/** What a query asks for that there is not. */
function faultsIn(expr: string, shown = ''): string[] {
  const named = [...expr.matchAll(/\b(gatehouse_[a-z_]+)(?:\{([^}]*)\})?/g)]
  const known = new Set([...OF_SCRAPES, ...named.flatMap(([, name = '']) => metricOf(name)?.labels ?? [])])
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',').map((label) => label.trim()))
  const told = [...shown.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label = '']) => label)
  return [
    ...(named.length === 0 && !expr.startsWith('up{') ? ['asks for nothing of ours'] : []),
    ...named.filter(([, name = '']) => !metricOf(name)).map(([, name]) => `no metric ${name}`),
    ...named.flatMap(([, name = '', selector = '']) =>
      [...selector.matchAll(/(\w+)!?=/g)]
        .filter(([, label = '']) => !metricOf(name)?.labels.includes(label))
        .map(([, label]) => `${name} has no ${label}`),
    ),
    ...[...grouped, ...told].filter((label) => !known.has(label)).map((label) => `no label ${label}`),
    ...[...expr.matchAll(/code="(\w+)"/g)].filter(([, code = '']) => !(code in ERRORS)).map(([, code]) => `no code ${code}`),
    ...(/[a-z_]+_total\b(?!.*\[)/.test(expr) ? ['a counter is asked for without a range'] : []),
  ]
}

describe('alerts', () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s asks for what there is, and leads to where it is explained',
    (_name, rule) => {
      expect(faultsIn(rule.expr, rule.annotations.summary)).toEqual([])
      expect(['critical', 'warning']).toContain(rule.labels.severity)
      const [file = '', anchor = ''] = rule.annotations.runbook.split('#')
      const headings = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(' ', '-'))
      expect(headings).toContain(anchor)
    },
  )

  test('each has a name of its own', () => expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length))
})

test.each(panels.map((panel) => [panel.title, panel] as const))('the panel %s asks for what there is', (_title, { targets }) => {
  expect(targets.length).toBeGreaterThan(0)
  expect(targets.flatMap(({ expr, legendFormat }) => faultsIn(expr, legendFormat))).toEqual([])
})

test('every metric is shown on the board', () => {
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n')
  expect(metrics.filter(({ name }) => !queries.includes(name)).map(({ name }) => name)).toEqual([])
})

test.each([
  ['sum(gatehouse_nothing_total)', 'no metric gatehouse_nothing_total'],
  ['sum(rate(gatehouse_calls_total{color="red"}[5m]))', 'gatehouse_calls_total has no color'],
  ['sum by (shape) (rate(gatehouse_calls_total[5m]))', 'no label shape'],
  ['sum(gatehouse_calls_total)', 'a counter is asked for without a range'],
  ['max(gatehouse_call_seconds)', 'no metric gatehouse_call_seconds'],
])('%s would be found out', (expr, fault) => expect(faultsIn(expr)).toContain(fault))
