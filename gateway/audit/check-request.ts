import type { EntryBody } from '../core/entry.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { namespaceOf } from '../core/operation.ts'

/**
 * Where the question that policy was asked is about something else than the call that the decision says it is about, in words. Of arguments, policy was
 * asked about those that it looks at: those that have the same form there are compared. Nothing where policy was not asked, or the payload is not there.
 */
export function requestFaults(body: EntryBody): string[] {
  if (body.kind !== 'decision' && body.kind !== 'explained') return []
  const { request, decision } = body
  const { principals, action, resource, context, entities } = decision.evidence.request
  if (!Array.isArray(principals) || !isJsonObject(context)) return []
  const { agent, subject, owner, operation, door, input, asserted } = request
  const [connector, name] = partsOf(operation)
  const people = subject === null ? [] : [uid('Gatehouse::Person', subject)]
  const told: [what: string, asked: JsonValue | undefined, recorded: JsonValue | undefined][] = [
    ['agent and subject', principals, [uid('Gatehouse::Agent', agent), ...people]],
    ['operation', action, uid(`${namespaceOf(connector)}::Action`, name)],
  ]
  if (isJsonObject(resource) && resource.type === 'Gatehouse::Connector')
    told.push(['connector', resource, uid('Gatehouse::Connector', connector)])
  const ownerAsked = ownerIn(entities, agent)
  if (ownerAsked !== undefined) told.push(['owner', ownerAsked, owner])
  const known: JsonObject = { door, rationale: asserted.rationale ?? null, run: asserted.run ?? null }
  for (const member of ['door', 'rationale', 'run']) if (member in context) told.push([member, context[member], known[member]])
  const faults = told.flatMap(([what, asked, recorded]) => (isSame(asked, recorded) ? [] : [`policy was asked about another ${what}`]))
  const at = differsAt(context.input, input, '')
  return at === undefined ? faults : [...faults, `policy was asked about other arguments, at \`${at}\``]
}

const uid = (type: string, id: string): JsonObject => ({ type, id })

function partsOf(operation: string): [connector: string, name: string] {
  const dot = operation.indexOf('.')
  return [operation.slice(0, dot), operation.slice(dot + 1)]
}

const isSame = (asked: JsonValue | undefined, recorded: JsonValue | undefined): boolean =>
  asked !== undefined && recorded !== undefined && canonicalJson(asked) === canonicalJson(recorded)

/** Undefined where policy did not look at it. */
function ownerIn(entities: JsonValue | undefined, agent: string): JsonValue | undefined {
  if (!Array.isArray(entities)) return undefined
  for (const entity of entities) {
    if (!isJsonObject(entity) || !isJsonObject(entity.uid) || !isJsonObject(entity.attrs)) continue
    const owner = entity.attrs.owner
    const isAgent = entity.uid.type === 'Gatehouse::Agent' && entity.uid.id === agent
    if (isAgent && isJsonObject(owner) && isJsonObject(owner.__entity)) return owner.__entity.id
  }
  return undefined
}

/** Texts, truth values and whole numbers reach policy as they are, so that they can be compared; other forms depend on the operation's schema. */
function differsAt(asked: JsonValue | undefined, given: JsonValue | undefined, pointer: string): string | undefined {
  if (isJsonObject(asked) && isJsonObject(given)) {
    for (const [name, value] of Object.entries(asked)) {
      const own = Object.hasOwn(given, name) ? given[name] : undefined
      const at = differsAt(value, own, `${pointer}/${name}`)
      if (at !== undefined) return at
    }
    return undefined
  }
  if (Array.isArray(asked) && Array.isArray(given)) {
    if (asked.length !== given.length) return pointer
    for (const [at, value] of asked.entries()) {
      const found = differsAt(value, given[at], `${pointer}/${at}`)
      if (found !== undefined) return found
    }
    return undefined
  }
  const isAsItIs = typeof asked === typeof given && ['string', 'boolean', 'number'].includes(typeof asked)
  return isAsItIs && asked !== given ? pointer : undefined
}
