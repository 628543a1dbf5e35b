import type { Instant } from './clock.ts'
import { type Concerned, exclusionOf, type Hold } from './hold.ts'
import type { BreakGlassId, CallId, HoldId } from './ids.ts'

/** Who may approve alone in an emergency, and who looks at it afterwards. Durations in milliseconds. */
export interface BreakGlassRule {
  group: string
  /** So long an approval stands, where its call waits for its agent. */
  lifeMs: number
  review: { by: 'security' | 'operator'; withinMs: number }
}

/** `lapsed`: nobody reviewed it in time, and until somebody does nobody breaks the glass again. */
export const BREAK_GLASS_STATES = ['due', 'lapsed', 'reviewed'] as const
export type BreakGlassState = (typeof BREAK_GLASS_STATES)[number]

/** One hold that one person approved in the place of all whom it asked. */
export interface BreakGlass {
  id: BreakGlassId
  holdId: HoldId
  callId: CallId
  by: string
  reason: string
  /** When the approval ends. */
  until: Instant
  reviewDue: Instant
  createdAt: Instant
  state: BreakGlassState
  review: { verdict: BreakGlassVerdict; by: string; comment: string; at: Instant } | null
}

export type BreakGlassVerdict = 'justified' | 'unjustified'

/** Why a person may not break the glass for a hold, or null: the separation of duties holds as for a vote, only the seats do not count. */
export function whyNotBreaking(
  rule: BreakGlassRule,
  hold: Pick<Hold, 'excluded'>,
  call: Concerned,
  person: { name: string; groups: readonly string[] },
  publishers: readonly string[],
): string | null {
  if (!person.groups.includes(rule.group)) return `breaking the glass needs a member of \`${rule.group}\``
  if (call.edit?.editors.includes(person.name)) return 'who edited the arguments of a call may not approve it'
  return exclusionOf(hold, call, person, publishers)
}
