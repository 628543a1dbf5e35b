import type { Finding } from '../../../gateway/ports/policy-drafts.ts'
import { type ApprovalDefinition, combineApprovals, type Requirement, satisfied } from '../../../gateway/core/hold.ts'
import type { LoadedPolicy } from '../load-policies.ts'
import { Needs } from '../needs.ts'
import { canApply } from '../slice.ts'
import { type Examined, type KnownAgent, listed } from './finding.ts'
import type { KnownPrincipals } from './known-principals.ts'

/** Holds that nobody could approve, for some or for all agents, and approvals that nobody asks for. */
export function approvalFindings(examined: Examined, principals: KnownPrincipals): Finding[] {
  const { compiled, organisation } = examined
  const definitions = new Map(organisation.approvals.map(({ definition }) => [definition.name, definition]))
  const asked = new Set(compiled.policies.flatMap(({ hold }) => hold ?? []))
  const found = compiled.policies.flatMap((policy): Finding[] => {
    const definition = policy.hold === undefined ? undefined : definitions.get(policy.hold)
    return definition ? unsatisfiable(examined, principals, [policy], definition.requires) : []
  })
  found.push(...termFindings(examined, definitions))
  const alone = new Set(found.filter(({ rule }) => rule === 'unsatisfiable-hold').map(({ policy }) => policy))
  for (const { policies } of compiled.slices) {
    const holds = policies.filter(({ id, hold }) => hold !== undefined && !alone.has(id))
    const all = holds.flatMap(({ hold }) => definitions.get(hold ?? '') ?? [])
    if (new Set(all).size > 1) found.push(...unsatisfiable(examined, principals, holds, combineApprovals(all).requires))
  }
  const unused = organisation.approvals.filter(({ definition }) => !asked.has(definition.name))
  return [
    ...new Map(found.map((finding) => [`${finding.policy} ${finding.message}`, finding])).values(),
    ...unused.map(({ definition, place }): Finding => {
      const message = `no policy asks for the approval \`${definition.name}\`: name it in a \`@hold\`, or remove it`
      return { place, severity: 'warning', rule: 'unused-approval', policy: null, message }
    }),
  ]
}

/** Facts that are to name who may not vote, where nobody reads them, and groups that an edit leaves too small. */
function termFindings({ compiled, source }: Examined, definitions: ReadonlyMap<string, ApprovalDefinition>): Finding[] {
  const needs = new Needs(compiled)
  return compiled.policies.flatMap((policy): Finding[] => {
    const definition = definitions.get(policy.hold ?? '')
    if (!definition) return []
    const at = { place: policy.place(0), policy: policy.id }
    const held = compiled.operations.filter((operation) => canApply(policy, operation))
    const unread = held.flatMap((operation) => {
      const known = new Set(
        needs.of(operation).lookups.flatMap(({ name, fields }) => fields.map((field) => `/lookup/${name}/${field.split('/').at(-1)}`)),
      )
      return definition.excludes
        .filter((pointer) => pointer.startsWith('/lookup/') && !known.has(pointer.split('/').slice(0, 4).join('/')))
        .map((pointer): Finding => {
          const message = `approval \`${definition.name}\` keeps out whom \`${pointer}\` names, and no policy of \`${operation.id}\` looks that up, so that nobody could approve: read it in a policy`
          return { ...at, severity: 'error', rule: 'unsatisfiable-hold', message }
        })
    })
    const exact = definition.requires.filter(
      ({ group, count }) => source.people.filter(({ groups }) => groups.includes(group)).length === count,
    )
    if (definition.edits !== 'allowed' || exact.length === 0) return unread
    const message = `approval \`${definition.name}\` allows edits and needs every member of ${listed(exact.map(({ group }) => group))}: none of them could edit, since who edits has no vote`
    return [...unread, { ...at, severity: 'warning', rule: 'edit-leaves-nobody', message }]
  })
}

/** Whether the people there are could fill every seat, for every agent whose calls it holds: never the agent's owner, and each person one seat. */
function unsatisfiable(
  examined: Examined,
  principals: KnownPrincipals,
  holds: readonly LoadedPolicy[],
  requires: readonly Requirement[],
): Finding[] {
  const { people } = examined.source
  const [first] = holds
  if (!first) return []
  const agents = examined.organisation.agents.filter((agent) => mayBeHeld(agent, holds, examined, principals))
  const stuck = agents.filter(
    ({ owner }) =>
      !satisfied(
        requires,
        people.filter(({ name }) => name !== owner),
      ),
  )
  const never = !satisfied(requires, people)
  if (!never && stuck.length === 0) return []
  const seats = requires.map(({ group, count }) => `${count} of \`${group}\``).join(' and ')
  const holding = holds.length > 1 ? `where ${listed(holds.map(({ id }) => id))} hold one call together` : `where it holds a call`
  const whose =
    never || stuck.length === agents.length
      ? 'nobody could approve it'
      : `nobody could approve it for ${listed(stuck.map(({ name }) => name))}, whose owner has no vote`
  const message = `${holding}, ${seats} must approve, and ${whose}: put more people into the group${requires.length > 1 ? 's' : ''}`
  const severity = whose === 'nobody could approve it' && holds.length === 1 ? 'error' : 'warning'
  return [{ place: first.place(0), severity, rule: 'unsatisfiable-hold', policy: first.id, message }]
}

/** Whether all of the holds can match a call of this agent that some permit allows. */
function mayBeHeld({ name }: KnownAgent, holds: readonly LoadedPolicy[], { compiled }: Examined, { fits }: KnownPrincipals): boolean {
  if (!holds.every(({ id }) => fits(id, name))) return false
  const operations = compiled.operations.filter((operation) => holds.every((hold) => canApply(hold, operation)))
  return operations.some(({ id }) => compiled.sliceOf.get(id)?.policies.some((one) => one.effect === 'permit' && fits(one.id, name)))
}
