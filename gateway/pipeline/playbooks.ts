import type { ValidateFunction } from 'ajv'
import type { DecisionRecord } from '../core/call.ts'
import { type Fault, GatewayError } from '../core/errors.ts'
import { Playbooks } from '../core/playbook.ts'
import type { PlaybookRules, PlaybookSource } from '../ports/playbooks.ts'
import { newAjv, schemaFaults } from './validate.ts'

/**
 * Compiles the schemas of all playbooks, strictly: what no rule of JSON Schema reads would check nothing. Throws CONFIG_INVALID with the place of each
 * that does not compile.
 */
export function compilePlaybooks(sources: readonly PlaybookSource[]): PlaybookRules {
  const faults: Fault[] = []
  const compiled = new Map<string, ValidateFunction>()
  for (const { digest, record, place } of sources) {
    try {
      compiled.set(
        digest,
        newAjv({ strict: true, strictTypes: false, strictRequired: false, strictTuples: false, allErrors: true }).compile(record),
      )
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : 'unknown cause'
      faults.push({ pointer: place(['record']), message: `the schema of the decision record does not compile: ${why}` })
    }
  }
  if (faults.length > 0) throw new GatewayError('CONFIG_INVALID', 'some schemas of decision records do not compile', { faults })
  const playbooks = new Playbooks(sources.map(({ place: _place, ...playbook }) => playbook))
  return { playbooks, check: (attached) => check(playbooks, compiled, attached) }
}

function check(playbooks: Playbooks, compiled: ReadonlyMap<string, ValidateFunction>, attached: DecisionRecord): DecisionRecord {
  const { playbook: name, version, outcome, record } = attached
  const versions = playbooks.versions(name)
  if (!versions) return { ...attached, checked: false }
  const playbook = versions.find((one) => one.version === version)
  if (!playbook) {
    const known = versions.map((one) => `\`${one.version}\``).join(', ')
    throw refused(`playbook \`${name}\``, [{ pointer: '/decisionRecord/version', message: `is no version of this playbook: use ${known}` }])
  }
  const faults: Fault[] = []
  if (!playbook.outcomes.includes(outcome))
    faults.push({
      pointer: '/decisionRecord/outcome',
      message: `must be one of ${playbook.outcomes.map((one) => `\`${one}\``).join(', ')}`.slice(0, 500),
    })
  const validate = compiled.get(playbook.digest)
  if (!validate) throw new Error('unreachable: every playbook is compiled')
  if (record === undefined) faults.push({ pointer: '/decisionRecord/record', message: 'is required' })
  else if (!validate(record)) faults.push(...schemaFaults(validate.errors, 'is not a property of this record', '/decisionRecord/record'))
  if (faults.length > 0) throw refused(`playbook \`${name}\`, version \`${version}\``, faults)
  return { ...attached, checked: true, schema: playbook.schema }
}

const refused = (what: string, faults: readonly Fault[]): GatewayError =>
  new GatewayError(
    'BAD_INPUT',
    `the decision record does not fit ${what}: ${faults.map(({ pointer, message }) => `${pointer} ${message}`).join('; ')}`,
    { faults },
  )
