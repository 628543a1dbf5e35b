import type { EntryBody, EntryKind } from './entry.ts'
import { type Concerned, groupsOf, type Hold, ineligibility } from './hold.ts'
import type { HoldId } from './ids.ts'
import { endsWithHold, type NoticeKind } from './notice-kind.ts'
import type { Person, PersonRole } from './principal.ts'

/** Whom a notice is for. */
export type Audience =
  /** People who may vote on the hold and have not; `among`: only members of this group. */
  | { kind: 'voters'; among: string | null }
  /** Members of groups, whether they may vote or not. */
  | { kind: 'groups'; groups: readonly string[] }
  | { kind: 'role'; role: PersonRole }
  /** Who answers for the agent. */
  | { kind: 'owner' }

export interface Telling {
  notice: NoticeKind
  to: Audience
}

const VOTERS: Audience = { kind: 'voters', among: null }
const SECURITY: Audience = { kind: 'role', role: 'security' }

type Tells = { readonly [K in EntryKind]?: (body: Extract<EntryBody, { kind: K }>) => readonly Telling[] }

/** What each kind of entry has people told. A new kind of notice is a line here, and its words in `notify/words.ts`. */
const TELLS: Tells = {
  'hold.opened': () => [{ notice: 'hold.opened', to: VOTERS }],
  'hold.edited': () => [{ notice: 'hold.edited', to: VOTERS }],
  'hold.expiring': () => [{ notice: 'hold.expiring', to: VOTERS }],
  'hold.escalated': ({ to, notify }) => [
    ...(to === null ? [] : [{ notice: 'hold.escalated', to: { kind: 'voters', among: to } } as const]),
    ...(notify.length === 0 ? [] : [{ notice: 'hold.escalated', to: { kind: 'groups', groups: notify } } as const]),
  ],
  'grant.break_glass': () => [
    { notice: 'break_glass.used', to: SECURITY },
    { notice: 'break_glass.used', to: { kind: 'owner' } },
  ],
  'grant.review_lapsed': () => [
    { notice: 'break_glass.review_lapsed', to: SECURITY },
    { notice: 'break_glass.review_lapsed', to: { kind: 'role', role: 'operator' } },
  ],
}

/** The kinds of entries of which somebody is told. */
export const TELLING_KINDS = Object.keys(TELLS) as readonly EntryKind[]

/** What an entry has people told, those who are asked before those who are only told. Pure. */
export function tellings(body: EntryBody): readonly Telling[] {
  const tell = TELLS[body.kind] as ((body: EntryBody) => readonly Telling[]) | undefined
  return tell?.(body) ?? []
}

/** The hold that an entry speaks of. */
export function holdOf(body: EntryBody): HoldId | null {
  if (body.kind === 'hold.opened') return body.hold.id
  return 'hold' in body ? body.hold : null
}

/** A hold with all that says who may still vote on it. */
export interface Votable {
  hold: Pick<Hold, 'requires' | 'excluded' | 'state'>
  call: Concerned
  publishers: readonly string[]
  voted: readonly string[]
}

/** Why a person is not asked to vote on a hold, or null. */
export function notAsked({ hold, call, publishers, voted }: Votable, person: Person): string | null {
  if (hold.state !== 'open') return 'is decided'
  if (voted.includes(person.name)) return 'has voted'
  if (person.roles.includes('auditor')) return 'auditors change nothing'
  return ineligibility(hold, call, person, publishers)
}

/** Who is meant, by name: `asked` may vote, others are only told. Nobody where the hold is not open any more and that is what it is about. */
export function recipients(
  { notice, to }: Telling,
  about: Votable | null,
  people: readonly Person[],
): readonly { person: string; asked: boolean }[] {
  if (endsWithHold(notice) && about?.hold.state !== 'open') return []
  const asked = to.kind === 'voters'
  return people.filter((person) => isMeant(to, about, person)).map(({ name }) => ({ person: name, asked }))
}

function isMeant(to: Audience, about: Votable | null, person: Person): boolean {
  switch (to.kind) {
    case 'voters':
      return about !== null && (to.among === null || person.groups.includes(to.among)) && notAsked(about, person) === null
    case 'groups':
      return person.groups.some((group) => to.groups.includes(group))
    case 'role':
      return person.roles.includes(to.role)
    case 'owner':
      return person.name === about?.call.owner
  }
}

/** Whether the dashboard shows a hold to this person. */
export const mayOpen = (hold: Pick<Hold, 'requires'>, { roles, groups }: Person): boolean =>
  roles.length > 0 || hold.requires.flatMap(groupsOf).some((group) => groups.includes(group))

/** A quarter of a hold's life, an hour at most, before its end: then those who may vote are told once more. */
const WARNING_SHARE = 4
const WARNING_MS_MAX = 3_600_000

/** When a hold's voters are told that it is about to expire, ms since the epoch. */
export const warnsAtMs = ({ createdAt, expiresAt }: Pick<Hold, 'createdAt' | 'expiresAt'>): number =>
  expiresAt - Math.min((expiresAt - createdAt) / WARNING_SHARE, WARNING_MS_MAX)
