import { GatewayError } from '../../gateway/core/errors.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { CedarEngine } from './cedar.ts'
import { sortedOperations } from './cedar-schema.ts'
import { classSchema } from './class-policies.ts'
import { fullSchema } from './compile.ts'
import { factsFilesOf, loadFacts } from './facts-file.ts'

/**
 * The Cedar schema of all operations, with the declared facts, in Cedar's own syntax (`.cedarschema`), for editors and for `cedar validate`. A faulty
 * fact is left out. Throws INTERNAL.
 */
export function cedarSchemaText(source: Pick<PolicySource, 'catalogue' | 'facts' | 'files'>): string {
  const { Gatehouse: classes } = classSchema()
  const { Gatehouse: own, ...rest } = fullSchema(
    sortedOperations(source.catalogue),
    loadFacts(factsFilesOf(source), source.catalogue).facts,
  )
  const merged = { entityTypes: { ...own?.entityTypes, ...classes?.entityTypes }, actions: { ...own?.actions, ...classes?.actions } }
  const schema = { ...rest, Gatehouse: merged }
  const answer = new CedarEngine().with((api) => api.schemaToText(schema))
  if (answer.type === 'success') return answer.text
  throw new GatewayError('INTERNAL', 'the schema has no text form', { cause: answer.errors })
}
