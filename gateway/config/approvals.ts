import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { type ApprovalDefinition, satisfied } from '../core/hold.ts'
import type { BreakGlassRule } from '../core/break-glass.ts'
import type { StandingBounds } from '../core/grant.ts'
import { canonicalJson } from '../core/json.ts'
import type { Person } from '../core/principal.ts'
import type { Environment } from './environment.ts'
import type { Faults } from './faults.ts'
import { approvalsFile, type GatehouseFile } from './schema.ts'
import { readYaml } from './yaml-file.ts'

type Written = z.output<typeof approvalsFile>[string]

/** `approvals.yaml` as definitions by name, and where each stands. */
export function readApprovals(
  path: string,
  environment: Environment,
  askedAt: string,
  faults: Faults,
): { approvals: Map<string, ApprovalDefinition>; approvalPlaces: Map<string, string> } {
  const read = readYaml(path, approvalsFile, environment, askedAt, faults)
  const approvals = new Map(Object.entries(read?.value ?? {}).map(([name, written]) => [name, definitionOf(name, written)]))
  return { approvals, approvalPlaces: new Map([...approvals.keys()].map((name) => [name, read?.place([name]) ?? path])) }
}

/** The version is a digest of all that the definition says: an approval given under other words is none. */
function definitionOf(name: string, written: Written): ApprovalDefinition {
  const { requires, deny_threshold: denyThreshold, expires: expiresMs, escalate, on_approval: onApproval, edits, excludes } = written
  const standing = written.standing === 'none' ? null : boundsOf(written.standing)
  const terms = {
    requires,
    denyThreshold,
    expiresMs,
    escalate: escalate.map(({ after, to, notify }) => ({ afterMs: after, to: to ?? null, notify })).sort((a, b) => a.afterMs - b.afterMs),
    onApproval,
    edits,
    excludes: [...new Set(excludes)].sort(),
  }
  // Left out where there is none: approvals that say nothing of it keep the version that they had.
  const said =
    standing === null
      ? terms
      : { ...terms, standing: { ...standing, totals: standing.totals.map((total) => ({ ...total })), pinned: [...standing.pinned] } }
  return { name, ...terms, standing, version: createHash('sha256').update(canonicalJson(said)).digest('hex') }
}

const boundsOf = (written: Exclude<Written['standing'], 'none'>): StandingBounds => ({
  maxUses: written.max_uses,
  totals: written.max_total ? [{ of: written.max_total.of, most: written.max_total.value }] : [],
  lifeMs: written.until,
  pinned: [...new Set(written.pinned)].sort(),
})

type Member = { name: string; groups: readonly string[] }

/** A hold that nobody could satisfy is refused at start, not discovered by a waiting agent. */
export function checkApprovals(
  approvals: ReadonlyMap<string, ApprovalDefinition>,
  places: ReadonlyMap<string, string>,
  people: readonly Member[],
  faults: Faults,
): void {
  for (const [name, definition] of approvals) {
    const place = places.get(name) ?? name
    for (const message of faultsOf(definition, people)) faults.add(place, `approval \`${name}\` ${message}`)
  }
}

function faultsOf({ requires, denyThreshold, expiresMs, escalate }: ApprovalDefinition, people: readonly Member[]): string[] {
  const members = (group: string): number => people.filter((p) => p.groups.includes(group)).length
  const faults: string[] = []
  for (const { group, count } of requires) {
    const known = members(group)
    if (known < count) faults.push(`asks for ${count} of group \`${group}\`, which has ${known}: nobody could satisfy it`)
  }
  for (const group of twice(requires.map((one) => one.group))) faults.push(`asks for group \`${group}\` twice: say its count once`)
  if (faults.length === 0 && !satisfied(requires, people))
    faults.push('needs more distinct people than its groups have together, since each fills one seat: nobody could satisfy it')
  const voters = people.filter(({ groups }) => requires.some(({ group }) => groups.includes(group))).length
  if (faults.length === 0 && denyThreshold > voters)
    faults.push(`ends with ${denyThreshold} refusals, and ${voters} may vote: nobody could refuse it`)
  for (const { afterMs, to, notify } of escalate) {
    if (afterMs >= expiresMs) faults.push('escalates when it has expired already: let `after` be shorter than `expires`')
    for (const group of new Set([...(to === null ? [] : [to]), ...notify]))
      if (members(group) === 0) faults.push(`escalates to group \`${group}\`, which has nobody`)
  }
  return faults
}

const twice = (names: readonly string[]): string[] => [...new Set(names.filter((name, index) => names.indexOf(name) < index))]

/** Who may break the glass. A group without members, or a review that nobody could make, is a fault. */
export function readBreakGlass(
  written: GatehouseFile['breakGlass'],
  place: string,
  people: readonly Pick<Person, 'name' | 'groups' | 'roles'>[],
  faults: Faults,
): BreakGlassRule | undefined {
  if (!written) return undefined
  const { group, life: lifeMs, review } = written
  const members = people.filter(({ groups, roles }) => groups.includes(group) && !roles.includes('auditor'))
  if (members.length === 0) faults.add(place, `nobody of group \`${group}\` could break the glass: put somebody into it in \`people\``)
  const reviewers = people.filter(({ roles }) => roles.includes(review.by) && !roles.includes('auditor'))
  for (const { name } of members)
    if (!reviewers.some((reviewer) => reviewer.name !== name))
      faults.add(place, `nobody could review what \`${name}\` does with it: somebody else needs the role \`${review.by}\``)
  return { group, lifeMs, review: { by: review.by, withinMs: review.within } }
}
