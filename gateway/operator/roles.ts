import type { BreakGlassRule } from '../core/break-glass.ts'
import { GatewayError } from '../core/errors.ts'
import { groupsOf, type Hold } from '../core/hold.ts'
import { LIMITS } from '../limits.ts'
import type { Operator } from '../ports/operator.ts'

export type Role = Operator['roles'][number]

export const hasRole = (by: Operator, ...roles: readonly Role[]): boolean => roles.some((role) => by.roles.includes(role))

/** Roles that read all metadata. */
const READERS: readonly Role[] = ['operator', 'security', 'auditor', 'local']

export const isReader = (by: Operator): boolean => hasRole(by, ...READERS)

/** Throws FORBIDDEN unless the operator has one of the roles. */
export function requireRole(by: Operator, doing: string, ...roles: readonly Role[]): void {
  if (hasRole(by, ...roles)) return
  throw new GatewayError('FORBIDDEN', `${doing} needs the role ${roles.map((role) => `\`${role}\``).join(' or ')}`)
}

export const requireReader = (by: Operator, doing: string): void => requireRole(by, doing, ...READERS)

/**
 * Throws FORBIDDEN for whoever may change nothing (auditors, whatever else they are) and for the local credential, which is no person: it
 * neither votes nor resolves.
 */
export function requirePerson(by: Operator, doing: string): void {
  if (hasRole(by, 'local')) throw new GatewayError('FORBIDDEN', `the local operator credential is no person: ${doing} needs one to sign in`)
  if (hasRole(by, 'auditor')) throw new GatewayError('FORBIDDEN', `auditors read everything and change nothing: ${doing} is not for them`)
}

/** True for members of a group that the hold asks for. */
export const isAsked = (by: Operator, hold: Pick<Hold, 'requires'>): boolean =>
  hold.requires.flatMap(groupsOf).some((group) => by.groups.includes(group))

/** Members of the group that may approve alone in an emergency: they see the hold that they are sent to. */
export const mayBreakGlass = ({ breakGlass }: { breakGlass: BreakGlassRule | null }, by: Operator): boolean =>
  breakGlass !== null && by.groups.includes(breakGlass.group)

/** A person's free text: trimmed, undefined where empty. Throws BAD_INPUT beyond `LIMITS.commentCharsMax`. */
export function comment(raw: string | undefined, what: string): string | undefined {
  const text = raw?.trim().toWellFormed()
  if (text !== undefined && text.length > LIMITS.commentCharsMax) {
    throw new GatewayError('BAD_INPUT', `the ${what} is longer than ${LIMITS.commentCharsMax} characters`)
  }
  return text || undefined
}
