import type { JsonObject } from '../core/json.ts'
import type { Catalogue } from '../core/operation.ts'
import type { Person } from '../core/principal.ts'

/** One Cedar file. `connector` is null for `org.cedar`. */
export interface PolicyFile {
  /** As shown in messages, relative to where the gateway was started where that is shorter. */
  path: string
  connector: string | null
  text: string
}

/** Whether a file was made from a rule of the library: its path says so, as in `library/amount-cap.cedar (as payments-hour)`. */
export const isLibraryFile = ({ path }: PolicyFile): boolean => /^library\/[a-z0-9-]+\.cedar \(as [a-z0-9-]+\)$/.test(path)

/** A file of policy tests: a JSON array in the format of `cedar run-tests`. */
export interface PolicyTests {
  path: string
  text: string
}

/** `facts.yaml` of the policies' folder. */
export interface FactsFile {
  path: string
  text: string
}

/** A rule of the library that an organisation uses. */
export interface LibraryUse {
  rule: string
  /** The use's own name, unique in the organisation: part of its policies' ids. */
  name: string
  with: JsonObject
  /** Where it, or what `keys` lead to in it, stands in the configuration: `file:line:column`. */
  place(keys: readonly string[]): string
}

/** Everything that a policy set is compiled from. */
export interface PolicySource {
  files: readonly PolicyFile[]
  catalogue: Catalogue
  /** Names in `approvals.yaml`: a `@hold` that names another is an error. */
  approvals: ReadonlySet<string>
  people: readonly Person[]
  /** Declared facts; absent where there is no such file. */
  facts?: FactsFile
}
