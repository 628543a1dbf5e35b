import { GraphQLJSON } from 'graphql-scalars'
import { Field, ObjectType } from 'type-graphql'
import type { Call, DecisionRecord } from '../../gateway/core/call.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { mayView, spend } from './looks.ts'

@ObjectType('DecisionRecord', { description: "What the agent says that its playbook decided: the agent's own account." })
export class DecisionRecordType {
  @Field(() => String)
  readonly playbook: string
  @Field(() => String)
  readonly version: string
  @Field(() => String)
  readonly outcome: string
  @Field(() => Boolean, {
    description:
      'Outcome and record had the form that this version of the playbook asks for when the call was made. Says nothing about whether they are true.',
  })
  readonly checked: boolean
  @Field(() => GraphQLJSON, { nullable: true, description: 'What the agent attached; null where it attached nothing more.' })
  readonly record: JsonObject | null
  @Field(() => String, {
    nullable: true,
    description: 'SHA-256 over the canonical JSON of the schema that it was checked against, hexadecimal; null where it was not.',
  })
  readonly schema: string | null

  constructor({ playbook, version, outcome, checked = false, record, schema }: DecisionRecord) {
    this.playbook = playbook
    this.version = version
    this.outcome = outcome
    this.checked = checked
    this.record = record ?? null
    this.schema = schema ?? null
  }
}

/** What the agent attached to a call, where who asks may see its payload. */
export async function attachedTo(context: OperatorContext, call: Call): Promise<DecisionRecordType | null> {
  if (call.erased || !(await mayView(context, call))) return null
  spend(context, 1)
  const attached = await context.cases.attachedRecord(context.by, call)
  return attached ? new DecisionRecordType(attached) : null
}
