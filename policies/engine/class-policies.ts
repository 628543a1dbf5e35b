import type { Fault } from '../../gateway/core/errors.ts'
import { classesOf, type Operation } from '../../gateway/core/operation.ts'
import type { CedarSchema } from './cedar.ts'
import { entityTypes } from './cedar-schema.ts'
import { DATA_CLASS, READ_CLASS } from './class-scope.ts'
import type { LoadedPolicy } from './load-policies.ts'
import { nearest } from './policy-text.ts'

/**
 * The schema of `Gatehouse::Action::"readClass"`: whether an agent, or the person it acts for, may read a class of an operation's answers. Principal,
 * class, connector, operation (`crm.exportContacts`) and region alone: the answer is cached.
 */
export function classSchema(relaxed = false): CedarSchema {
  const text = { type: 'String', required: !relaxed } as const
  return {
    Gatehouse: {
      entityTypes: { ...entityTypes({ relaxed }), DataClass: {} },
      actions: {
        [READ_CLASS]: {
          appliesTo: {
            principalTypes: ['Gatehouse::Agent', 'Gatehouse::Person'],
            resourceTypes: [DATA_CLASS],
            context: { type: 'Record', attributes: { connector: text, operation: text, region: text } },
          },
        },
      },
    },
  }
}

/** The organisation's policies about classes and the connector's own. */
export const classPoliciesFor = (policies: readonly LoadedPolicy[], connector: string): readonly LoadedPolicy[] =>
  policies.filter((policy) => policy.connector === null || policy.connector === connector)

/**
 * Classes that policies name and no answer has: a rule about them could never bind. In `org.cedar` only where another one was clearly meant, since an
 * organisation may rule over classes that it does not have yet.
 */
export function unknownClasses(policies: readonly LoadedPolicy[], operations: readonly Operation[]): Fault[] {
  return policies.flatMap((policy) => {
    const own = operations.filter(({ connector }) => policy.connector === null || policy.connector === connector)
    const known = [...new Set(own.flatMap(classesOf))]
    const strange = [...new Set(policy.reads.entities.flatMap(({ type, id }) => (type === DATA_CLASS && !known.includes(id) ? [id] : [])))]
    return strange.flatMap((id) => {
      const near = nearest(id, known)
      if (near === undefined && policy.connector === null) return []
      const remedy = near === undefined ? 'declare it in the manifest or remove the policy' : `did you mean \`${near}\`?`
      return [{ pointer: policy.place(0), message: `policy \`${policy.id}\`: no answer has the data class \`${id}\`: ${remedy}` }]
    })
  })
}
