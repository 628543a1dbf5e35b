import type { KnownOrganisation } from '../policies/engine/findings/finding.ts'
import type { Configuration } from './config/load.ts'

/** What findings about policies look at beside them. Retired agents never come back. */
export const knownOrganisation = ({ agents, approvals, approvalPlaces, manifests }: Configuration): KnownOrganisation => ({
  agents: agents.filter(({ status }) => status !== 'retired'),
  approvals: [...approvals].map(([name, definition]) => ({ definition, place: approvalPlaces.get(name) ?? name })),
  connectors: new Map(manifests.map(({ connector, file }) => [connector, `${file}:1:1`])),
})
