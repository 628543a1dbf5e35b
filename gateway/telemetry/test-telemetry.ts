import { onTestFinished } from 'vitest'
import type { Catalogue, Operation } from '../core/operation.ts'
import { operationId } from '../core/ids.ts'
import type { Environment } from './environment.ts'
import type { LogLevel } from './log.ts'
import { createTelemetry, type RunningTelemetry } from './telemetry.ts'

export const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
export const PARENT = '00f067aa0ba902b7'

const operation = (id: string): [Operation['id'], Operation] => {
  const [connector = '', name = ''] = id.split('.')
  const schema = { type: 'object' }
  return [
    operationId(connector, name),
    {
      id: operationId(connector, name),
      connector,
      name,
      jointName: `${connector}_${name}`,
      version: '0',
      description: '',
      mode: 'read',
      reversibility: 'read-only',
      inputSchema: schema,
      dataClasses: {},
      labels: [],
      idempotency: { kind: 'none' },
      timeoutMs: 1,
      region: 'eu',
      route: { method: 'GET', path: '/' },
    },
  ]
}
const catalogue: Catalogue = {
  version: 'v',
  connectors: [{ name: 'erp', kind: 'openapi', region: 'eu' }],
  operations: new Map([operation('erp.getInvoice'), operation('erp.releasePayment')]),
  byJointName: new Map(),
}

/** Telemetry of the test that runs, closed when the test is over. */
export function start(env: Environment = {}, logLevel: LogLevel = 'info'): { telemetry: RunningTelemetry; lines: string[] } {
  const lines: string[] = []
  const logStream = { write: (line: string) => void lines.push(line) }
  const telemetry = createTelemetry({ env, serviceName: 'gatehouse', version: '1.2.3', logLevel, logStream, catalogue: () => catalogue })
  onTestFinished(() => telemetry.close())
  return { telemetry, lines }
}

export const parts = (traceparent: string) => traceparent.split('-')
