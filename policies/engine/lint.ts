import { namespaceOf } from '../../gateway/core/operation.ts'
import { ASSERTED } from './cedar-schema.ts'
import type { classScope } from './class-scope.ts'
import type { Reads } from './expression.ts'
import { nearest } from './policy-text.ts'

/** The closed list of annotations (semantics, section 2). */
const ANNOTATIONS = ['id', 'hold', 'reason', 'advice', 'shadow']

export interface LintInput {
  effect: 'permit' | 'forbid'
  annotations: Readonly<Record<string, string>>
  reads: Reads
  /** Whether the action scope names `readClass`. */
  scope: ReturnType<typeof classScope>
  /** Null for `org.cedar`. */
  connector: string | null
  /** All configured ones. */
  connectors: readonly string[]
  approvals: ReadonlySet<string>
}

/** What is wrong with a policy that Cedar itself would accept: sentences with cause and remedy, empty where nothing is. */
export function lintPolicy(policy: LintInput): string[] {
  return [
    ...annotationNames(policy),
    ...identity(policy),
    ...kinds(policy),
    ...classes(policy),
    ...approval(policy),
    ...conditions(policy),
    ...territory(policy),
  ]
}

function annotationNames({ annotations }: LintInput): string[] {
  return Object.keys(annotations)
    .filter((name) => !ANNOTATIONS.includes(name))
    .map((name) => {
      const meant = nearest(name, ANNOTATIONS)
      const known = ANNOTATIONS.map((a) => `@${a}`).join(', ')
      return `unknown annotation \`@${name}\`: ${meant ? `did you mean \`@${meant}\`?` : `use one of ${known}`}`
    })
}

function identity({ annotations: { id } }: LintInput): string[] {
  if (id === undefined) return ['the policy has no `@id`: add `@id("...")`, unique in the whole organisation']
  if (/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/.test(id)) return []
  return [`\`@id("${id}")\` is malformed: use at most 128 letters, digits and \`. _ : / -\`, starting with a letter or digit`]
}

function kinds({ effect, annotations }: LintInput): string[] {
  const { hold, shadow, reason, advice } = annotations
  const messages: string[] = []
  if (hold !== undefined && effect === 'permit') messages.push('`@hold` stands on a permit: only a forbid can hold, make it a forbid')
  if (shadow !== undefined && effect === 'permit') messages.push('`@shadow` stands on a permit: only a forbid can be tried out, remove it')
  if (shadow !== undefined && hold !== undefined)
    messages.push('`@shadow` and `@hold` stand together: a shadow changes nothing, remove one')
  if (shadow) messages.push(`\`@shadow("${shadow}")\` has a value: write \`@shadow\`, or remove it to put the policy into force`)
  if (reason === '' || advice === '') messages.push('`@reason` and `@advice` need a sentence: write one or remove the annotation')
  return messages
}

function classes({ scope, annotations: { hold, shadow } }: LintInput): string[] {
  if (scope === 'beside')
    return ['the action scope names `readClass` beside operations: write two policies, one of them about `readClass` alone']
  if (scope === 'none') return []
  const strange = Object.entries({ hold, shadow }).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  return strange.map((name) => `\`@${name}\` stands on a policy about \`readClass\`: a class is read or masked at once, remove it`)
}

function approval({ annotations: { hold }, approvals }: LintInput): string[] {
  if (hold === undefined || approvals.has(hold)) return []
  const meant = nearest(hold, approvals)
  return [`there is no approval \`${hold}\`: ${meant ? `did you mean \`${meant}\`?` : 'define it in the approvals file'}`]
}

function conditions({ effect, reads }: LintInput): string[] {
  const messages: string[] = []
  const asserted = ASSERTED.filter((name) => reads.context.whole || reads.context.children.has(name))
  if (effect === 'permit' && asserted.length > 0)
    messages.push(
      `a permit reads ${asserted.map((name) => `\`context.${name}\``).join(' and ')}: what the agent says of itself may only restrict, ask it in a forbid`,
    )
  if (reads.functions.has('unknown')) messages.push('`unknown` has no value in a decision: remove it')
  if (reads.rootless)
    messages.push(
      '`in`, `is`, `has` or an attribute is asked of something else than `principal`, `action`, `resource` or `context`: ask one of these',
    )
  return messages
}

/** Actions of another connector in `<connector>.cedar`. */
function territory({ connector, connectors, reads }: LintInput): string[] {
  if (connector === null) return []
  const own = namespaceOf(connector)
  return reads.entities
    .filter(({ type }) => /^\w+::Action$/.test(type) && type !== `${own}::Action` && type !== 'Gatehouse::Action')
    .map(({ type, id }) => {
      const action = `\`${type}::${JSON.stringify(id)}\``
      if (connectors.some((name) => `${namespaceOf(name)}::Action` === type))
        return `${action} is another connector's action in \`${connector}.cedar\`: move the policy to its file or to \`org.cedar\``
      return `there is no connector of the action ${action}: did you mean \`${own}::Action::${JSON.stringify(id)}\`?`
    })
}
