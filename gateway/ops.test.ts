import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { ERRORS } from './core/errors.ts'
import { type MetricDescription, METRICS } from './telemetry/metrics.ts'
import { findPromtool } from './test-promtool.ts'

const pathOf = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
const read = (path: string): string => readFileSync(pathOf(path), 'utf8')

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

interface AlertTest {
  alert_rule_test: readonly { alertname: string; exp_alerts?: readonly unknown[] }[]
}

test('every alert is tested both to be told and to be quiet', () => {
  const { tests } = parse(read('ops/prometheus/rules.test.yaml')) as { tests: readonly AlertTest[] }
  const told = tests.flatMap(({ alert_rule_test }) =>
    alert_rule_test.map(({ alertname, exp_alerts = [] }) => `${alertname} ${exp_alerts.length > 0}`),
  )
  expect(rules.flatMap(({ alert }) => [`${alert} true`, `${alert} false`]).filter((wanted) => !told.includes(wanted))).toEqual([])
})

const promtool = findPromtool('alerts and the board')

describe.skipIf(promtool === undefined)('Prometheus itself', () => {
  const run = (...args: string[]) => promtool?.(args)

  test('takes the rules', () => {
    expect(run('check', 'rules', pathOf('ops/prometheus/rules.yaml'))).toMatchObject({
      status: 0,
      text: expect.stringContaining(`${rules.length} rules found`),
    })
  })

  test('tells alerts as their tests say', () => {
    expect(run('test', 'rules', pathOf('ops/prometheus/rules.test.yaml'))).toMatchObject({
      status: 0,
      text: expect.stringContaining('SUCCESS'),
    })
  })

  /** What is wrong with queries, as Prometheus says it of rules that ask them. */
  const faultsOf = (queries: readonly string[]): string => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-promtool-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'queries.yaml')
    // Grafana fills its own variables in; any duration stands for them.
    const asked = queries.map((expr, i) => ({ record: `query:${i}`, expr: expr.replace(/\$__(rate_interval|range)\b/g, '5m') }))
    writeFileSync(file, stringify({ groups: [{ name: 'queries', rules: asked }] }))
    const checked = run('check', 'rules', file)
    return checked?.status === 0 ? '' : (checked?.text ?? 'promtool is gone')
  }

  test('takes every query of the board', () => {
    expect(faultsOf(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))).toBe('')
    expect(faultsOf(['sum by (le) (rate(gatehouse_call_seconds_bucket[5m])'])).toContain('unclosed left parenthesis')
    expect(faultsOf(['rate(gatehouse_calls_total[$__other])'])).toContain('could not parse')
  })
})
