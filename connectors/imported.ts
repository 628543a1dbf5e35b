import { stringify } from 'yaml'
import type { Operation } from '../gateway/core/operation.ts'
import type { Connector, Manifest } from '../gateway/ports/connector.ts'

/** What a person has to read before the connector is used: texts come from outside and go to agents as they are. */
export interface ImportedOperation {
  name: string
  title: string
  description: string
  mode: Operation['mode']
  reversibility: Operation['reversibility']
  version: string
}

export interface Imported {
  /** Text of `connectors/<name>.yaml`. Every operation is named, so a later refresh adds none unseen. */
  manifest: string
  /** Text of the lock file, for live kinds. */
  lock?: string
  operations: ImportedOperation[]
}

export interface ManifestDraft {
  connector: string
  kind: string
  /** Path of the description, relative to the manifest. */
  source: string
  baseUrl?: string
  stdio?: Manifest['stdio']
  region: string
}

/** The manifest of a loaded connector with all its operations, reads first. */
export function imported(draft: ManifestDraft, connector: Connector): Imported {
  const operations = connector.operations
    .map(({ name, title = '', description, mode, reversibility, version }) => ({ name, title, description, mode, reversibility, version }))
    .sort((a, b) => (a.mode === b.mode ? 0 : a.mode === 'read' ? -1 : 1))
  const include = operations.map(({ name }) => name)
  return { manifest: stringify({ ...draft, operations: { include, overrides: {} } }), operations }
}
