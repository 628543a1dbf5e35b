import type { Entry } from '../core/entry.ts'

/** Of the Open Cybersecurity Schema Framework, whose classes and words stand below. */
export const OCSF_VERSION = '1.8.0'

const CLASSES = {
  base: { class_uid: 0, class_name: 'Base Event', category_uid: 0, category_name: 'Uncategorized' },
  api: { class_uid: 6003, class_name: 'API Activity', category_uid: 6, category_name: 'Application Activity' },
  authentication: { class_uid: 3002, class_name: 'Authentication', category_uid: 3, category_name: 'Identity & Access Management' },
  entity: { class_uid: 3004, class_name: 'Entity Management', category_uid: 3, category_name: 'Identity & Access Management' },
} as const

const ENTITY_ACTIVITIES = {
  Create: 1,
  Update: 3,
  Delete: 4,
  Enroll: 6,
  Enable: 8,
  Disable: 9,
  Activate: 10,
  Suspend: 12,
  Resume: 13,
} as const
const ACTIVITIES = {
  base: {},
  api: { Read: 2 },
  authentication: { Logon: 1, Logoff: 2 },
  entity: ENTITY_ACTIVITIES,
} as const satisfies Record<keyof typeof CLASSES, Readonly<Record<string, number>>>

export type EntityActivity = keyof typeof ENTITY_ACTIVITIES

const SEVERITIES = { Informational: 1, Low: 2, Medium: 3, High: 4 } as const
const STATUSES = { Unknown: 0, Success: 1, Failure: 2 } as const
const OTHER = 99

/** Attributes as the schema names them. Those that are undefined stay out. */
export type Attributes = Readonly<Record<string, unknown>>

/** What is particular to an entry; words that the schema does not know become `Other` with the word beside it. */
export interface Particular {
  of: keyof typeof CLASSES
  activity: string
  /** `Success` by default. */
  status?: string
  code?: string | number | null | undefined
  detail?: string | null | undefined
  /** `Informational` by default. */
  severity?: keyof typeof SEVERITIES
  message: string
  attributes?: Attributes
}

export interface Product {
  organisation: string
  version: string
}

/** The whole event but for `unmapped`. */
export function ocsfEvent(
  { process, seq, at, callId, body }: Entry,
  particular: Particular,
  { organisation, version }: Product,
): Attributes {
  const { of, activity, status = 'Success', code, detail, severity = 'Informational', message, attributes } = particular
  const activities: Readonly<Record<string, number>> = ACTIVITIES[of]
  const activityId = activities[activity] ?? OTHER
  const statuses: Readonly<Record<string, number>> = STATUSES
  const { class_uid, class_name, category_uid, category_name } = CLASSES[of]
  return {
    ...{ category_uid, category_name, class_uid, class_name },
    ...{ activity_id: activityId, activity_name: activity },
    ...{ type_uid: class_uid * 100 + activityId, type_name: `${class_name}: ${activityId === OTHER ? 'Other' : activity}` },
    ...{ severity_id: SEVERITIES[severity], severity },
    ...{ status_id: statuses[status] ?? OTHER, status, status_code: code?.toString(), status_detail: detail ?? undefined },
    time: at,
    message,
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Gatehouse', vendor_name: 'Gatehouse', version },
      tenant_uid: organisation,
      log_name: `gatehouse/${organisation}`,
      uid: `${process}/${seq}`,
      sequence: seq,
      correlation_uid: callId ?? undefined,
      event_code: body.kind,
    },
    ...attributes,
  }
}
