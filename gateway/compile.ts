import { createHash } from 'node:crypto'
import { mcpKind } from '../connectors/mcp/kind.ts'
import { openapiKind } from '../connectors/openapi/kind.ts'
import { createDecider } from '../policies/engine/decider.ts'
import { instantiate } from '../policies/library/instantiate.ts'
import { libraryRules } from '../policies/library/rules.ts'
import type { Configuration } from './config/load.ts'
import { Faults } from './config/faults.ts'
import type { OperationId } from './core/ids.ts'
import type { Catalogue, Operation } from './core/operation.ts'
import { Playbooks } from './core/playbook.ts'
import { LIMITS } from './limits.ts'
import { compilePlaybooks } from './pipeline/playbooks.ts'
import { compileValidators, type Validators } from './pipeline/validate.ts'
import type { Connector, ConnectorKind, Manifest } from './ports/connector.ts'
import type { Decider } from './ports/decider.ts'
import type { Dialer, EgressRule } from './ports/dialer.ts'
import type { PlaybookRules } from './ports/playbooks.ts'
import type { PolicySource } from './ports/policy-source.ts'

const KINDS: ReadonlyMap<string, ConnectorKind> = new Map([openapiKind, mcpKind].map((kind) => [kind.kind, kind]))

/** What the configured files come to, policies aside. Nothing in it has connected to anything yet. */
export interface Organisation {
  connectors: ReadonlyMap<string, Connector>
  catalogue: Catalogue
  validators: Validators
  playbooks: PlaybookRules
  /** What the policies are compiled from. */
  policySource: PolicySource
}

export interface Compiled extends Organisation {
  decider: Decider
}

/**
 * Connectors, catalogue, validators, playbooks and policies from a configuration: files only, nothing is started or dialled.
 * Throws CONFIG_INVALID with the faults of all of them. `onEngineFault` is told when the policy engine broke down under a question, which was denied.
 */
export function compile(configuration: Configuration, dialer: Dialer, onEngineFault: (cause: unknown) => void): Compiled {
  const organisation = compileOrganisation(configuration, dialer)
  return { ...organisation, decider: createDecider(organisation.policySource, { onFault: onEngineFault }) }
}

/** All of `compile` but the decider: the policies are read, not parsed. Throws CONFIG_INVALID. */
export function compileOrganisation(configuration: Configuration, dialer: Dialer): Organisation {
  const faults = new Faults()
  const connectors = new Map<string, Connector>()
  for (const manifest of configuration.manifests) {
    const kind = KINDS.get(manifest.kind)
    const connector = kind && faults.gather(() => kind.load(manifest, dialer.open(egressOf(manifest))))
    if (connector) connectors.set(connector.name, connector)
  }
  const catalogue = catalogueOf([...connectors.values()], faults)
  const validators = faults.gather(() => compileValidators(catalogue))
  const playbooks = faults.gather(() => compilePlaybooks(configuration.playbooks))
  const approvals = new Set(configuration.approvals.keys())
  const around = { catalogue, approvals, playbooks: new Playbooks(configuration.playbooks) }
  const library = instantiate(configuration.library, configuration.library.length > 0 ? libraryRules() : [], around)
  for (const { pointer, message } of library.faults) faults.add(pointer, message)
  faults.refuse()
  if (!validators || !playbooks) throw new Error('unreachable: what does not compile is a fault')
  const policySource: PolicySource = {
    files: [...configuration.policies, ...library.files],
    catalogue,
    approvals,
    people: configuration.people,
    ...(configuration.facts ? { facts: configuration.facts } : {}),
  }
  return { connectors, catalogue, validators, playbooks, policySource }
}

/** The base address's host is allowed; private addresses are reachable only through what `egress` names. */
function egressOf({ baseUrl, egress }: Manifest): EgressRule {
  const own = baseUrl === undefined ? [] : [new URL(baseUrl).hostname.replace(/^\[|\]$/g, '')]
  const hosts = [...new Set([...own, ...egress])]
  return { hosts, privateHosts: egress.filter((host) => hosts.includes(host)) }
}

function catalogueOf(connectors: readonly Connector[], faults: Faults): Catalogue {
  const operations = new Map<OperationId, Operation>()
  const byJointName = new Map<string, Operation>()
  for (const operation of connectors.flatMap((c) => c.operations)) {
    const twin = byJointName.get(operation.jointName)
    if (twin) faults.add(operation.id, `\`${operation.id}\` and \`${twin.id}\` would both be called \`${operation.jointName}\`: rename one`)
    operations.set(operation.id, operation)
    byJointName.set(operation.jointName, operation)
  }
  if (operations.size > LIMITS.operationsMax) faults.add('', `${operations.size} operations are more than ${LIMITS.operationsMax}`)
  const listing = [...operations.values()].map((o) => `${o.id} ${o.version}`).sort()
  return {
    version: createHash('sha256').update(listing.join('\n')).digest('hex'),
    connectors: connectors.map(({ name, kind, region }) => ({ name, kind, region })),
    operations,
    byJointName,
  }
}
