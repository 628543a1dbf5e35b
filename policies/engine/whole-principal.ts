import type { Agent, Person, Principal } from '../../gateway/core/principal.ts'
import type { Entity, EntityUid } from './plan.ts'

/** A principal with all of its attributes, for questions that are cached by them. */
export interface WholePrincipal {
  /** Equal for principals that policy cannot tell apart. */
  readonly key: string
  /** The agent, then the subject where there is one. */
  readonly principals: EntityUid[]
  readonly entities: readonly Entity[]
}

export function whole({ agent, subject }: Principal, person: Person | undefined, people: ReadonlyMap<string, Person>): WholePrincipal {
  const { name, owner, team, region, roles, clearance, autonomy } = agent
  const known = subject === undefined ? null : [subject, person?.groups ?? [], person?.region ?? null]
  const key = JSON.stringify([name, owner, team, region, roles, clearance, autonomy, known])
  const principals: EntityUid[] = [{ type: 'Gatehouse::Agent', id: name }]
  const entities = [agentEntity(agent), personEntity(owner, people.get(owner))]
  if (subject !== undefined) {
    principals.push({ type: 'Gatehouse::Person', id: subject })
    if (subject === owner) entities.pop()
    entities.push(personEntity(subject, person))
  }
  return { key, principals, entities }
}

function agentEntity({ name, autonomy, clearance, owner, region, team, roles }: Agent): Entity {
  return {
    uid: { type: 'Gatehouse::Agent', id: name },
    attrs: { autonomy, clearance: [...clearance], owner: { __entity: { type: 'Gatehouse::Person', id: owner } }, region, team },
    parents: roles.map((id) => ({ type: 'Gatehouse::Role', id })),
  }
}

function personEntity(id: string, person: Person | undefined): Entity {
  return {
    uid: { type: 'Gatehouse::Person', id },
    attrs: person?.region === undefined ? {} : { region: person.region },
    parents: (person?.groups ?? []).map((group) => ({ type: 'Gatehouse::Group', id: group })),
  }
}
