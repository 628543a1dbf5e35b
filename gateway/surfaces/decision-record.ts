import type { IncomingHttpHeaders } from 'node:http'
import type { DecisionRecord } from '../core/call.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { parseJson } from '../core/json-text.ts'
import { LIMITS } from '../limits.ts'
import { headerText } from './header-text.ts'

/** What a decision record has to be, to end a sentence with. */
export const DECISION_RECORD_FORM = `an object of the texts \`playbook\`, \`version\` and \`outcome\`, each of 1 to ${LIMITS.decisionRecordCharsMax} characters, and where there is one the object \`record\`, of at most ${LIMITS.decisionRecordBodyCharsMax} characters of JSON`

const isText = (value: JsonValue | undefined): value is string =>
  typeof value === 'string' && value !== '' && value.length <= LIMITS.decisionRecordCharsMax && value.isWellFormed()

const isRecord = (value: JsonValue): value is JsonObject =>
  isJsonObject(value) && JSON.stringify(value).length <= LIMITS.decisionRecordBodyCharsMax

/** What an agent says that its own playbook decided, or undefined where it is not of that form, to the last member. */
export function decisionRecordOf(value: JsonValue): DecisionRecord | undefined {
  if (!isJsonObject(value)) return undefined
  const { playbook, version, outcome, record, ...others } = value
  if (Object.keys(others).length > 0 || !isText(playbook) || !isText(version) || !isText(outcome)) return undefined
  if (record === undefined) return { playbook, version, outcome }
  return isRecord(record) ? { playbook, version, outcome, record } : undefined
}

/** The header `Gatehouse-Decision-Record`, one JSON object; undefined where none came, null (which is no record) where it is no JSON text. */
export function decisionRecordHeader(headers: IncomingHttpHeaders): JsonValue | undefined {
  try {
    const text = headerText(headers, 'gatehouse-decision-record')
    return text === undefined ? undefined : parseJson(text, LIMITS.inputDepthMax)
  } catch {
    return null
  }
}
