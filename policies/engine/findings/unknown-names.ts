import type { Finding } from '../../../gateway/ports/policy-drafts.ts'
import type { EntityName } from '../expression.ts'
import { nearest } from '../policy-text.ts'
import { type Examined, placeIn } from './finding.ts'

interface Kind {
  says: (id: string) => string
  known: ReadonlySet<string>
  remedy: string
}

/** Names in policies that nobody has: a rule about them binds nobody, which a misspelt name does silently. */
export function unknownNames({ source, compiled, organisation: { agents } }: Examined): Finding[] {
  const kinds: Readonly<Record<string, Kind>> = {
    'Gatehouse::Role': {
      says: (id) => `no agent has the role \`${id}\``,
      known: new Set(agents.flatMap(({ roles }) => roles)),
      remedy: 'give it to an agent, or remove it here',
    },
    'Gatehouse::Group': {
      says: (id) => `nobody is in the group \`${id}\``,
      known: new Set(source.people.flatMap(({ groups }) => groups)),
      remedy: 'put people into it, or remove it here',
    },
    'Gatehouse::Agent': {
      says: (id) => `there is no agent \`${id}\``,
      known: new Set(agents.map(({ name }) => name)),
      remedy: 'register it, or remove it here',
    },
    'Gatehouse::Person': {
      says: (id) => `there is no person \`${id}\``,
      known: new Set(source.people.map(({ name }) => name)),
      remedy: 'add the person, or remove the name here',
    },
    'Gatehouse::Connector': {
      says: (id) => `there is no connector \`${id}\``,
      known: new Set(source.catalogue.connectors.map(({ name }) => name)),
      remedy: 'configure it, or remove it here',
    },
    'Gatehouse::DataClass': {
      says: (id) => `no operation's answer has the data class \`${id}\``,
      known: new Set([...source.catalogue.operations.values()].flatMap(({ dataClasses }) => Object.values(dataClasses).flat())),
      remedy: 'name it in a connector, or remove it here',
    },
  }
  return compiled.policies.flatMap((policy) =>
    distinct(policy.reads.entities).flatMap(({ type, id }): Finding[] => {
      const kind = kinds[type]
      if (!kind || kind.known.has(id)) return []
      const near = nearest(id, kind.known)
      const message = `${kind.says(id)}: ${near === undefined ? kind.remedy : `did you mean \`${near}\`?`}`
      const place = placeIn(policy, Math.max(0, policy.text.indexOf(`${type}::${JSON.stringify(id)}`)))
      return [{ place, severity: 'warning', rule: 'unknown-name', policy: policy.id, message }]
    }),
  )
}

const distinct = (names: readonly EntityName[]): EntityName[] => [
  ...new Map(names.map((name) => [`${name.type}::${name.id}`, name])).values(),
]
