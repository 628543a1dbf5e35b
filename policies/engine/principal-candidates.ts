import type { Agent, Person } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Atom, Literals } from './atoms.ts'
import { mergeLiterals, newLiterals } from './atoms.ts'
import type { Reads } from './expression.ts'
import type { Candidate } from './request-space.ts'

/** A registered agent, or a person, that no policy can tell from another stands for both. */
interface Known {
  /** What the policies of both sets look at. */
  readonly reads: Reads
  readonly atoms: readonly Atom[]
  readonly people: readonly Person[]
}

const namesOf = ({ reads }: Known, type: string): string[] => [
  ...new Set(reads.entities.filter((entity) => entity.type === type).map(({ id }) => id)),
]

const keyOf = (...parts: readonly unknown[]): string => JSON.stringify(parts)

function firstOf<T>(all: readonly T[], key: (one: T) => string): T[] {
  const first = new Map<string, T>()
  for (const one of all) if (!first.has(key(one))) first.set(key(one), one)
  return [...first.values()]
}

/** The literals that principals' attributes are compared with. */
function attributeLiterals({ atoms }: Known): Literals {
  const merged = newLiterals()
  for (const { paths, literals } of atoms)
    if (paths.some(({ variable, path }) => variable !== 'context' || path[0] === 'subject')) mergeLiterals(merged, literals)
  return merged
}

/** An agent that nobody registered and that has nothing. */
const NOBODY: Agent = {
  name: 'another-agent',
  owner: 'another-owner',
  team: 'another-team',
  region: 'another-region',
  purpose: '',
  roles: [],
  clearance: [],
  autonomy: 0,
  status: 'active',
  epoch: 1,
}

/**
 * One agent for each way in which the policies can tell agents apart: registered ones first, then made-up ones with what policies name and no registered
 * agent has. At most `LIMITS.boundaryAgentsMax`.
 */
export function agentCandidates(agents: readonly Agent[], known: Known): readonly Candidate<Agent>[] {
  const { reads, people } = known
  const [roles, names] = [namesOf(known, 'Gatehouse::Role'), namesOf(known, 'Gatehouse::Agent')]
  const looksAt = (name: string): boolean => reads.attributes.has(name)
  const groupsOf = (owner: string): readonly string[] => people.find((person) => person.name === owner)?.groups ?? []
  const groups = namesOf(known, 'Gatehouse::Group')
  const key = ({ name, owner, region, team, clearance, autonomy, roles: own }: Agent): string =>
    keyOf(
      names.includes(name) && name,
      looksAt('owner') && [owner, groupsOf(owner).filter((group) => groups.includes(group))],
      looksAt('region') && region,
      looksAt('team') && team,
      looksAt('clearance') && [...clearance].sort(),
      looksAt('autonomy') && autonomy,
      own.filter((role) => roles.includes(role)).sort(),
    )
  const active = [...agents].sort((a, b) => Number(b.status === 'active') - Number(a.status === 'active'))
  const registered = firstOf(active, key).slice(0, LIMITS.boundaryAgentsMax)
  const bases = registered.length > 0 ? registered : [NOBODY]
  const made = firstOf([NOBODY, ...madeUpAgents(agents, bases, known, { roles, names })], key)
  const seen = new Set(registered.map(key))
  return [
    ...registered.map((who) => ({ who, registered: true })),
    ...made
      .filter((who) => !seen.has(key(who)))
      .map((who) => ({ who: { ...who, name: names.includes(who.name) ? who.name : NOBODY.name }, registered: false })),
  ].slice(0, LIMITS.boundaryAgentsMax)
}

/** What policies name and no registered agent has, on each of the known kinds of agents. */
function madeUpAgents(
  agents: readonly Agent[],
  bases: readonly Agent[],
  known: Known,
  { roles, names }: { roles: readonly string[]; names: readonly string[] },
): Agent[] {
  const { texts, numbers, sets } = attributeLiterals(known)
  const looksAt = (name: string): boolean => known.reads.attributes.has(name)
  const free = <T>(values: readonly T[], has: (agent: Agent, value: T) => boolean): T[] =>
    values.filter((value) => !agents.some((agent) => has(agent, value)))
  const levels = looksAt('autonomy')
    ? free(
        [...numbers].flatMap((n) => [n, n + 1, n - 1]),
        (agent, n) => agent.autonomy === n,
      )
    : []
  const words = (name: string, has: (agent: Agent, word: string) => boolean): string[] => (looksAt(name) ? free([...texts], has) : [])
  const changes: Partial<Agent>[] = [
    ...free(names, (agent, name) => agent.name === name).map((name) => ({ name })),
    ...levels.filter((n) => n >= 0).map((autonomy) => ({ autonomy })),
    ...words('region', (agent, word) => agent.region === word).map((region) => ({ region })),
    ...words('team', (agent, word) => agent.team === word).map((team) => ({ team })),
    ...words('clearance', (agent, word) => agent.clearance.includes(word)).map((word) => ({ clearance: [word] })),
    ...(looksAt('clearance') ? [...sets.values()] : []).map((set) => ({ clearance: set.filter((one) => typeof one === 'string') })),
    ...(looksAt('region') ? [{ region: NOBODY.region }] : []),
  ]
  const absent = free(roles, (agent, role) => agent.roles.includes(role))
  return [
    ...absent.map((role) => ({ ...NOBODY, roles: [role] })),
    ...bases.flatMap((base) => changes.map((change) => ({ ...base, name: NOBODY.name, ...change }))),
    ...absent.flatMap((role) => bases.map((base) => ({ ...base, name: NOBODY.name, roles: [...base.roles, role] }))),
  ]
}

/** Nobody, one person for each way in which the policies can tell people apart, somebody unknown, and made-up members of groups that nobody is in. */
export function subjectCandidates(agents: readonly Candidate<Agent>[], known: Known): readonly (Candidate<Person> | undefined)[] {
  const { reads, people } = known
  const [groups, names] = [namesOf(known, 'Gatehouse::Group'), namesOf(known, 'Gatehouse::Person')]
  const looksAt = (name: string): boolean => reads.attributes.has(name)
  const owners = new Set(looksAt('owner') ? agents.map(({ who }) => who.owner) : [])
  const key = ({ name, groups: own, region }: Person): string =>
    keyOf(
      (names.includes(name) || owners.has(name)) && name,
      own.filter((group) => groups.includes(group)).sort(),
      looksAt('region') && (region ?? null),
    )
  const registered = firstOf(people, key).slice(0, LIMITS.boundaryPeopleMax)
  const stranger: Person = { name: 'another-person', groups: [], roles: [] }
  const regions = looksAt('region') ? [...attributeLiterals(known).texts] : []
  const absent = groups.filter((group) => !people.some((person) => person.groups.includes(group)))
  const made: Person[] = [
    stranger,
    ...names.filter((name) => !people.some((person) => person.name === name)).map((name) => ({ ...stranger, name })),
    ...absent.map((group) => ({ ...stranger, groups: [group] })),
    ...regions.flatMap((region) => registered.map((person) => ({ ...person, name: stranger.name, region }))),
  ]
  const seen = new Set(registered.map(key))
  return [
    undefined,
    ...registered.map((who) => ({ who, registered: true })),
    ...firstOf(made, key)
      .filter((who) => !seen.has(key(who)) || who === stranger)
      .map((who) => ({ who, registered: false })),
  ].slice(0, LIMITS.boundaryPeopleMax)
}
