import { GatewayError } from '../../gateway/core/errors.ts'
import type { Catalogue } from '../../gateway/core/operation.ts'
import { CedarEngine } from './cedar.ts'
import { sortedOperations } from './cedar-schema.ts'
import { fullSchema } from './compile.ts'

/** The Cedar schema of all operations in Cedar's own syntax (`.cedarschema`), for editors and for `cedar validate`. Throws INTERNAL. */
export function cedarSchemaText(catalogue: Catalogue): string {
  const answer = new CedarEngine().with((api) => api.schemaToText(fullSchema(sortedOperations(catalogue))))
  if (answer.type === 'success') return answer.text
  throw new GatewayError('INTERNAL', 'the schema has no text form', { cause: answer.errors })
}
