import fc from 'fast-check'
import { execute, Kind, parse, validate } from 'graphql'
import { expect, test } from 'vitest'
import { AgentTypes } from '../../../schema/agent/types.ts'
import { buildView } from '../../../schema/agent/view.ts'
import type { JsonObject } from '../../core/json.ts'
import { operation } from './fixture-memory-calls.ts'
import { rootCalls } from './root-fields.ts'

const string = { type: 'string' }
const output = { type: 'object', properties: { id: string, name: string } }
const operations = (['read', 'write'] as const).flatMap((mode) => [
  operation(`kb.${mode}A`, mode, { id: string, 'the-n': { type: 'integer' } }, output),
  operation(`kb.${mode}B`, mode, { 'id!': string }, output),
])
const schema = buildView(operations, new AgentTypes(operations))

const directive = fc.constantFrom(
  '',
  '',
  '',
  '@skip(if: true)',
  '@include(if: false)',
  '@include(if: $yes)',
  '@skip(if: $yes)',
  '@skip(if: $no) @include(if: $yes)',
)
const alias = fc.constantFrom('', '', 'x: ', 'y: ')
const args = fc.constantFrom('(id: "1")', '(id: $s)', '(id: "1", the_n: $n)', '(the_n: 3, id: "2")', '')
const field = (mode: string) =>
  fc.tuple(alias, fc.constantFrom('A', 'B'), args, directive).map(([a, name, given, d]) => `${a}kb_${mode}${name}${given} ${d} { id }`)
const selection = (mode: string, root: string, after: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: field(mode) },
    { weight: 2, arbitrary: fc.tuple(fc.integer({ min: after, max: 2 }), directive).map(([i, d]) => `...F${i} ${d}`) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom('', `on ${root}`), directive, field(mode))
        .map(([on, d, inner]) => `... ${on} ${d} { ${inner} __typename }`),
    },
  )
const document = fc.constantFrom('read', 'write').chain((mode) => {
  const root = mode === 'read' ? 'Query' : 'Mutation'
  const list = (after: number) => fc.array(selection(mode, root, after), { minLength: 1, maxLength: 3 }).map((each) => each.join(' '))
  return fc
    .tuple(list(0), list(1), list(2), field(mode))
    .map(
      ([top, f0, f1, f2]) =>
        `${mode === 'read' ? 'query' : 'mutation'} ($s: String = "v", $n: SafeInt, $yes: Boolean = true, $no: Boolean = false) { ${top} }` +
        ` fragment F0 on ${root} { ${f0} } fragment F1 on ${root} { ${f1} } fragment F2 on ${root} { ${f2} }`,
    )
})
const ignorable = /is never used/

test('what is planned is what graphql-js runs: same keys, same operations, same order, same arguments', async () => {
  const ran: unknown[] = []
  const recording = recorder(ran)
  let compared = 0
  await fc.assert(
    fc.asyncProperty(
      document,
      fc.record({ s: fc.constantFrom('w', null), n: fc.constantFrom(1, null) }, { requiredKeys: [] }),
      async (source, variables) => {
        const ast = parse(source)
        const definition = ast.definitions[0]
        if (definition?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation')
        fc.pre(validate(schema, ast).every(({ message }) => ignorable.test(message)))
        ran.length = 0
        const { errors = [] } = await execute({ schema: recording, document: ast, variableValues: variables })
        const root = schema.getRootType(definition.operation)
        if (!root) throw new Error('no root')
        const { runnable, faulty } = rootCalls(ast, definition, root, { s: 'v', yes: true, no: false, ...variables })
        expect(runnable.map(({ responseKey, operation: { id }, input }) => [responseKey, id, input])).toEqual(ran)
        expect(faulty).toHaveLength(errors.length)
        compared += ran.length
      },
    ),
    { numRuns: 100 },
  )
  expect(compared).toBeGreaterThan(30)
})

/** The same view whose resolvers write down what graphql-js hands them. */
function recorder(ran: unknown[]) {
  const copy = buildView(operations, new AgentTypes(operations))
  for (const root of [copy.getQueryType(), copy.getMutationType()])
    for (const each of Object.values(root?.getFields() ?? {})) {
      const bound = each.extensions.bound as
        | { operation: { id: string }; toInput: (given: Record<string, unknown>) => JsonObject }
        | undefined
      if (bound)
        each.resolve = (_source, given, _context, info) => {
          ran.push([String(info.path.key), bound.operation.id, bound.toInput(given)])
          return null
        }
    }
  return copy
}
