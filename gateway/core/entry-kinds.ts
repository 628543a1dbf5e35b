import type { EntryKind } from './entry.ts'
import { GatewayError } from './errors.ts'

const KINDS: Readonly<Record<EntryKind, true>> = {
  decision: true,
  intent: true,
  outcome: true,
  labelled: true,
  'run.started': true,
  'hold.opened': true,
  'hold.changed': true,
  'hold.escalated': true,
  'hold.expiring': true,
  'hold.edited': true,
  vote: true,
  'grant.proposed': true,
  'grant.opened': true,
  'grant.used': true,
  'grant.revoked': true,
  'grant.died': true,
  'grant.break_glass': true,
  'grant.review_lapsed': true,
  'grant.reviewed': true,
  cancelled: true,
  lapsed: true,
  resolved: true,
  refused: true,
  'notice.sent': true,
  'notice.given_up': true,
  'agent.changed': true,
  'agent.token': true,
  'person.token': true,
  'person.link': true,
  'person.session': true,
  'credential.set': true,
  'connector.drift_found': true,
  'connector.drift_reviewed': true,
  'connector.drift_gone': true,
  account: true,
  'playbook.served': true,
  explained: true,
  view: true,
  erased: true,
  'log.pruned': true,
  'log.restored': true,
  'policy.proposed': true,
  'policy.reviewed': true,
  'policy.activated': true,
  'policy.rolled_back': true,
  'policy.refused': true,
}

export const ENTRY_KINDS = Object.keys(KINDS) as readonly EntryKind[]

/** Kinds by their names; `policy.*` stands for all that begin with `policy.`. Throws BAD_INPUT for what is no kind. */
export function entryKinds(names: readonly string[]): readonly EntryKind[] {
  const found = new Set<EntryKind>()
  for (const name of names) {
    const meant = ENTRY_KINDS.filter((kind) => kind === name || (name.endsWith('.*') && kind.startsWith(name.slice(0, -1))))
    if (meant.length === 0) {
      throw new GatewayError('BAD_INPUT', `no entry is of the kind \`${name.slice(0, 64)}\`: kinds are ${ENTRY_KINDS.join(', ')}`)
    }
    for (const kind of meant) found.add(kind)
  }
  return [...found]
}
