import type { Address } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { ask } from './control-plane.ts'
import type { ExitCode, Output } from './output.ts'

const DECISION = `outcome denyReason advice errors shadow policySet at release
  reasons { policyId place text reason approval }
  nearMisses(payloads: $payloads) { principal policyId place text failed { sentence values } }
  facts @include(if: $payloads)`
const QUERY = `query ($id: ID!, $payloads: Boolean!) { call(id: $id) { id operation agent subject door state decision { ${DECISION} } } }`

/**
 * Why a call got its newest decision: the policies that determined it as they stood then, and where nothing permitted it which permits were near and
 * what they lacked. `payloads` adds arguments and facts, for people who may see them; the look is recorded. Throws NOT_FOUND.
 */
export async function explainCall(output: Output, address: Address, id: string, payloads: boolean): Promise<ExitCode> {
  const { call } = await ask(address, QUERY, { id, payloads })
  if (!isJsonObject(call)) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  const { decision } = call
  if (!isJsonObject(decision)) throw new GatewayError('NOT_FOUND', `call \`${id}\` has no decision`)
  output.print([...heading(call, decision), ...determining(decision), ...near(decision), ...facts(decision)].join('\n'), call)
  return 0
}

const objects = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : [])
const texts = (value: JsonValue | undefined): string[] => (Array.isArray(value) ? value.map(String) : [])
const indented = (text: JsonValue | undefined, by: string): string => String(text).replaceAll('\n', `\n${by}`)

function heading(call: JsonObject, { outcome, denyReason, advice, errors, shadow, policySet, at }: JsonObject): string[] {
  const who = call.subject === null ? String(call.agent) : `${call.agent} for ${call.subject}`
  const why = typeof denyReason === 'string' ? ` (${denyReason})` : ''
  return [
    `call ${call.id}: ${call.operation} by ${who} at ${call.door}, now ${call.state}`,
    `decided ${at}: ${outcome}${why}`,
    `policy set ${policySet}`,
    ...texts(errors).map((error) => `error: ${error}`),
    ...(typeof advice === 'string' ? [`the agent was told: ${advice}`] : []),
    ...(texts(shadow).length > 0 ? [`tried out, would have matched: ${texts(shadow).join(', ')}`] : []),
  ]
}

function determining({ reasons }: JsonObject): string[] {
  return objects(reasons).flatMap(({ policyId, place, text, reason, approval }) => [
    '',
    `by ${policyId}${place === null ? '' : ` (${place})`}${approval === null ? '' : `, which asks for the approval ${approval}`}`,
    ...(reason === null ? [] : [`  ${reason}`]),
    text === null ? '  (its text is not known any more)' : `    ${indented(text, '    ')}`,
  ])
}

function near({ denyReason, nearMisses }: JsonObject): string[] {
  if (denyReason !== 'no_permit') return []
  if (nearMisses === null) return ['', 'which permits were near is not known: the policy set that decided no longer fits the operations']
  const misses = objects(nearMisses)
  if (misses.length === 0) return ['', 'no permit speaks of this operation']
  return misses.flatMap(({ principal, policyId, place, failed }) => [
    '',
    `not by ${policyId} (${place}), asked about ${principal}:`,
    ...objects(failed).flatMap(({ sentence, values }) => [
      `  - ${sentence}`,
      ...Object.entries(isJsonObject(values) ? values : {}).map(
        ([path, value]) => `      ${path}: ${value === null ? 'absent' : JSON.stringify(value)}`,
      ),
    ]),
  ])
}

function facts({ facts }: JsonObject): string[] {
  return isJsonObject(facts) ? ['', 'asked with', indented(`  ${JSON.stringify(facts, null, 2)}`, '  ')] : []
}
