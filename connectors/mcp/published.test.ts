import { expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { createDialer } from '../../gateway/egress/dialer.ts'
import { mcpKind } from './kind.ts'

const outbound = createDialer({ development: true }).open({ hosts: [], privateHosts: [] })

function operationOf(tool: JsonObject) {
  const text = JSON.stringify({ kind: 'mcp', tools: [{ name: 'tool', description: 'a tool', ...tool }] })
  const source = { path: 'docs.lock.json', text }
  const manifest = { connector: 'docs', kind: 'mcp', file: 'docs.yaml', source, baseUrl: 'https://docs.example/mcp', region: 'eu' }
  return mcpKind.load({ ...manifest, egress: [], operations: { overrides: {} } }, outbound).operations[0]
}

const referring: JsonObject = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { type: 'object', properties: { city: { type: 'string' } } } },
  properties: { address: { $ref: '#/$defs/address' } },
}

test.each<[string, JsonObject, JsonObject | undefined]>([
  ['references and definitions stay, and it is closed', referring, { ...referring, additionalProperties: false }],
  ['a tool that is open says so', { ...referring, additionalProperties: true }, { ...referring, additionalProperties: true }],
  ['a composition cannot be closed at its top', { type: 'object', properties: {}, anyOf: [{ properties: { a: {} } }, {}] }, undefined],
  ['nothing declared is nothing taken', { type: 'object' }, undefined],
])('the input is published as the server words it: %s', (_title, inputSchema, expected) => {
  expect(operationOf({ inputSchema })?.publishedInput).toEqual(expected)
})

test.each([
  ['without an output schema', {}, true],
  ['with one', { outputSchema: { type: 'object', properties: { text: { type: 'string' } } } }, undefined],
])('a tool %s answers with content: %s', (_title, more, content) => {
  expect(operationOf({ inputSchema: referring, ...more })?.content).toBe(content)
})
