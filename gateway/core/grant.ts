import type { Instant } from './clock.ts'
import { decimalText, fitsDecimal, parseDecimal, tenThousandths } from './decimal.ts'
import type { MatchedHold } from './decision.ts'
import type { Requirement } from './escalation.ts'
import type { CallId, GrantId, HoldId } from './ids.ts'
import { atPointer, canonicalJson, isJsonObject, type JsonObject, type JsonValue, pointerToken } from './json.ts'

/** What a grant lets stand at one place of the arguments. `most` is decimal text. */
export type Constraint =
  | { kind: 'exactly'; value: JsonValue }
  | { kind: 'one_of'; values: readonly JsonValue[] }
  | { kind: 'at_most'; most: string }
  /** Whatever stands there, also nothing. */
  | { kind: 'any' }

/** `pointer` is a leaf of the held call's arguments (RFC 6901): a list counts as one value. What no pointer names must be absent. */
export interface ArgumentConstraint {
  pointer: string
  allows: Constraint
}

/** The sum of an argument over all uses; decimal text. */
export interface GrantTotal {
  of: string
  most: string
}

/** What `standing` of an approval allows; of several approvals the narrowest. */
export interface StandingBounds {
  maxUses: number
  totals: readonly GrantTotal[]
  lifeMs: number
  /** Pointers that no grant may loosen. Sorted. */
  pinned: readonly string[]
}

/** What a person proposes with a hold: what passes without asking from then on. The hold's digest covers it. */
export interface StandingTerms {
  arguments: readonly ArgumentConstraint[]
  maxUses: number
  totals: readonly GrantTotal[]
  until: Instant
  by: string
}

/** A standing permission with an end, as it was given. */
export interface Grant extends StandingTerms {
  id: GrantId
  /** The hold whose approval gave it, and that hold's call. */
  holdId: HoldId
  callId: CallId
  agent: string
  /** Who answered for the agent: under another owner it is not what was given. */
  owner: string
  subject: string | null
  operation: string
  operationVersion: string
  matched: readonly MatchedHold[]
  approvalVersions: Readonly<Record<string, string>>
  /** The seats that the givers filled. */
  requires: readonly Requirement[]
  /** Everybody whose approval gave it, sorted. */
  givers: readonly string[]
  createdAt: Instant
}

export const GRANT_STATES = ['live', 'used_up', 'expired', 'revoked', 'dead'] as const
export type GrantState = (typeof GRANT_STATES)[number]

/** How far a grant is. */
export interface GrantProgress {
  /** `revoked` by a person, `dead` since what it rested on is gone; kept, while the others follow from uses and time. */
  ended: 'revoked' | 'dead' | null
  used: number
  /** Decimal text, by the pointer of its total. */
  spent: Readonly<Record<string, string>>
  endedAt: Instant | null
  endedBy: string | null
  why: string | null
}

export type StandingGrant = Grant & GrantProgress

/** A live grant with who published the policies that it covers: they give nothing. */
export type UsableGrant = StandingGrant & { publishers: readonly string[] }

/** Whose grants a decision may use. */
export interface GrantQuestion {
  agent: string
  subject: string | null
  operation: string
}

export const UNUSED: GrantProgress = Object.freeze({
  ended: null,
  used: 0,
  spent: Object.freeze({}),
  endedAt: null,
  endedBy: null,
  why: null,
})

export interface GrantAmount {
  of: string
  /** Decimal text. */
  amount: string
}

export function grantState(
  grant: Pick<StandingGrant, 'ended' | 'used' | 'maxUses' | 'spent' | 'totals' | 'until'>,
  nowMs: number,
): GrantState {
  if (grant.ended !== null) return grant.ended
  if (nowMs >= grant.until) return 'expired'
  return isUsedUp(grant) ? 'used_up' : 'live'
}

/** No use is left, or nothing of a total. */
export const isUsedUp = ({ used, maxUses, spent, totals }: Pick<StandingGrant, 'used' | 'maxUses' | 'spent' | 'totals'>): boolean =>
  used >= maxUses || totals.some(({ of, most }) => spentOf(spent, of) >= units(most))

/** Whether a call says all that these bounds count: else no grant can be given with it. */
export const isCountable = ({ totals }: StandingBounds, input: JsonObject): boolean =>
  totals.every(({ of }) => amountAt(input, of) !== undefined)

/** The narrowest of several approvals' bounds; null where one allows nothing. */
export function combineStanding(all: readonly (StandingBounds | null)[]): StandingBounds | null {
  const bounds = all.flatMap((one) => one ?? [])
  if (bounds.length === 0 || bounds.length < all.length) return null
  const totals = new Map<string, bigint>()
  for (const { of, most } of bounds.flatMap((one) => one.totals)) {
    const before = totals.get(of)
    totals.set(of, before === undefined || units(most) < before ? units(most) : before)
  }
  return {
    maxUses: Math.min(...bounds.map(({ maxUses }) => maxUses)),
    totals: [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([of, most]) => ({ of, most: decimalText(most) })),
    lifeMs: Math.min(...bounds.map(({ lifeMs }) => lifeMs)),
    pinned: [...new Set(bounds.flatMap(({ pinned }) => pinned))].sort(),
  }
}

/** The places of arguments that can be loosened one by one, in their order: every value but what has members. */
export function leavesOf(input: JsonObject): { pointer: string; value: JsonValue }[] {
  const leaves = (pointer: string, value: JsonValue): { pointer: string; value: JsonValue }[] =>
    isJsonObject(value) && (pointer === '' || Object.keys(value).length > 0)
      ? Object.keys(value)
          .sort()
          .flatMap((key) => leaves(`${pointer}/${pointerToken(key)}`, value[key] as JsonValue))
      : [{ pointer, value }]
  return leaves('', input)
}

/** All arguments as they stand in a held call, but for those that are loosened. Throws nothing: `standingFaults` judges what came out. */
export function constraintsOn(input: JsonObject, loosened: readonly ArgumentConstraint[]): readonly ArgumentConstraint[] {
  const given = new Map(loosened.map(({ pointer, allows }) => [pointer, allows]))
  return leavesOf(input).map(({ pointer, value }) => ({ pointer, allows: given.get(pointer) ?? { kind: 'exactly', value } }))
}

/** Why these terms cannot be given with a held call, in words; empty where they can. `loosened` are those that the giver named. */
export function standingFaults(
  terms: StandingTerms,
  loosened: readonly ArgumentConstraint[],
  bounds: StandingBounds,
  input: JsonObject,
  nowMs: number,
): string[] {
  const leaves = new Set(leavesOf(input).map(({ pointer }) => pointer))
  const faults = loosened.flatMap((one) => constraintFaults(one, leaves, bounds.pinned))
  if (new Set(loosened.map(({ pointer }) => pointer)).size < loosened.length) faults.push('an argument is named twice: loosen it once')
  if (!Number.isSafeInteger(terms.maxUses) || terms.maxUses < 1) faults.push('the uses must be a whole number above zero')
  else if (terms.maxUses > bounds.maxUses) faults.push(`at most ${bounds.maxUses} uses may be given`)
  if (!(terms.until > nowMs)) faults.push('the end must lie in the future')
  else if (!(terms.until <= nowMs + bounds.lifeMs)) faults.push('the end lies later than the approval allows')
  faults.push(...totalFaults(terms.totals, bounds.totals, input))
  if (faults.length === 0 && !meets(terms.arguments, input)) faults.push('the held call itself would not pass: let its own values stand')
  return faults
}

function constraintFaults({ pointer, allows }: ArgumentConstraint, leaves: ReadonlySet<string>, pinned: readonly string[]): string[] {
  const at = `\`${pointer}\``
  if (!leaves.has(pointer)) return [`${at} is no argument of the held call`]
  if (allows.kind !== 'exactly' && pinned.some((pin) => `${pin}/`.startsWith(`${pointer}/`) || `${pointer}/`.startsWith(`${pin}/`)))
    return [`${at} may not be loosened, as its approval says`]
  if (allows.kind === 'one_of' && allows.values.length === 0) return [`${at} lists no value: name at least one`]
  if (allows.kind === 'at_most' && !isAmount(allows.most)) return [`${at} needs an amount above zero with at most four decimal places`]
  return []
}

function totalFaults(totals: readonly GrantTotal[], bounds: readonly GrantTotal[], input: JsonObject): string[] {
  const faults: string[] = []
  for (const { of, most } of bounds) {
    const given = totals.filter((total) => total.of === of)
    if (given.length !== 1) faults.push(`say the total of \`${of}\` once: at most ${most}`)
    else if (!isAmount(given[0]?.most ?? ''))
      faults.push(`the total of \`${of}\` must be an amount above zero with at most four decimal places`)
    else if (units(given[0]?.most ?? '') > units(most)) faults.push(`the total of \`${of}\` may be at most ${most}`)
    if (amountAt(input, of) === undefined) faults.push(`\`${of}\` of the held call is no amount, so its total cannot be counted`)
  }
  for (const { of } of totals) if (!bounds.some((bound) => bound.of === of)) faults.push(`the approval counts no total of \`${of}\``)
  return faults
}

/** Decimal text of an amount above zero that policy can hold. */
export function isAmount(text: string): boolean {
  const amount = parseDecimal(text)
  return amount !== undefined && amount > 0n && fitsDecimal(amount)
}

/** Whether arguments are all that these constraints let stand, and have nothing else. Values are compared in their canonical form, numbers exactly. */
export function meets(constraints: readonly ArgumentConstraint[], input: JsonObject): boolean {
  const allowed = new Map(constraints.map(({ pointer, allows }) => [pointer, allows]))
  const found = new Set<string>()
  const passes = (pointer: string, value: JsonValue): boolean => {
    const allows = allowed.get(pointer)
    if (allows) {
      found.add(pointer)
      return allowsValue(allows, value)
    }
    if (!isJsonObject(value) || !(pointer === '' || constraints.some((one) => one.pointer.startsWith(`${pointer}/`)))) return false
    return Object.keys(value).every((key) => passes(`${pointer}/${pointerToken(key)}`, value[key] as JsonValue))
  }
  return passes('', input) && constraints.every(({ pointer, allows }) => found.has(pointer) || allows.kind === 'any')
}

function allowsValue(allows: Constraint, value: JsonValue): boolean {
  switch (allows.kind) {
    case 'any':
      return true
    case 'exactly':
      return canonicalJson(value) === canonicalJson(allows.value)
    case 'one_of':
      return allows.values.some((one) => canonicalJson(one) === canonicalJson(value))
    case 'at_most': {
      const amount = amountOf(value)
      return amount !== undefined && isAmount(allows.most) && amount <= units(allows.most)
    }
  }
}

/** The units of a number from zero on that four decimal places hold exactly; undefined for everything else. */
function amountOf(value: JsonValue | undefined): bigint | undefined {
  const amount = typeof value === 'number' ? tenThousandths(value) : undefined
  return amount !== undefined && amount >= 0n && fitsDecimal(amount) ? amount : undefined
}

const amountAt = (input: JsonObject, pointer: string): bigint | undefined => amountOf(atPointer(input, pointer))

/** What a call takes of the grant's totals; null where one of them cannot be counted, or too little of it is left. */
export function amountsLeft(grant: Pick<StandingGrant, 'totals' | 'spent'>, input: JsonObject): readonly GrantAmount[] | null {
  const amounts: GrantAmount[] = []
  for (const { of, most } of grant.totals) {
    const amount = amountAt(input, of)
    if (amount === undefined || spentOf(grant.spent, of) + amount > units(most)) return null
    amounts.push({ of, amount: decimalText(amount) })
  }
  return amounts
}

/** The spent sums with these amounts added, or taken back. */
export function spentAfter(
  spent: Readonly<Record<string, string>>,
  amounts: readonly GrantAmount[],
  sign: 1n | -1n,
): Readonly<Record<string, string>> {
  const after = new Map(Object.entries(spent))
  for (const { of, amount } of amounts) after.set(of, decimalText(spentOf(Object.fromEntries(after), of) + sign * units(amount)))
  return Object.fromEntries(after)
}

const spentOf = (spent: Readonly<Record<string, string>>, of: string): bigint =>
  units((Object.hasOwn(spent, of) ? spent[of] : undefined) ?? '0')

/** Throws for what is no decimal text: nothing else is ever kept. */
function units(text: string): bigint {
  const parsed = parseDecimal(text)
  if (parsed === undefined) throw new TypeError(`\`${text}\` is no decimal`)
  return parsed
}

/** Why a grant does not let a held call pass today, or null: everything but its arguments and totals. */
export function whyNotCovered(
  grant: StandingGrant,
  call: { agent: string; owner: string; subject: string | null; operation: string; operationVersion: string },
  holds: readonly MatchedHold[],
  approvalVersion: (name: string) => string | undefined,
  nowMs: number,
): string | null {
  const state = grantState(grant, nowMs)
  if (state !== 'live') return `it is ${state}`
  if (grant.agent !== call.agent || grant.subject !== call.subject) return 'it was given to others'
  if (grant.owner !== call.owner) return 'its agent has another owner'
  if (grant.operation !== call.operation || grant.operationVersion !== call.operationVersion) return 'it is about another operation'
  if (holds.length === 0) return 'nothing of the hold is known'
  for (const hold of holds) {
    const known = grant.matched.find(({ policyId }) => policyId === hold.policyId)
    if (known?.policyHash !== hold.policyHash || known.approval !== hold.approval) return `it says nothing of \`${hold.policyId}\``
    const version = approvalVersion(hold.approval)
    if (version === undefined || grant.approvalVersions[hold.approval] !== version) return `approval \`${hold.approval}\` changed`
  }
  return null
}
