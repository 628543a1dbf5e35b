import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newCallId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import type { Answer, Asked } from '../../ports/calls.ts'
import { FixtureCalls, operation } from './fixture-calls.ts'
import { openDoor } from './fixture-door.ts'
import type { DoorUnderTest } from './fixture-door.ts'

/** What the scenarios of the conformance suite ask a server's tools to do, as operations of a connector named `test`. */
const SCENARIOS = [
  'server-initialize',
  'logging-set-level',
  'ping',
  'tools-list',
  'tools-call-simple-text',
  'tools-call-image',
  'tools-call-audio',
  'tools-call-error',
  'tools-call-with-progress',
  'json-schema-2020-12',
  'server-sse-polling',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
]

const address: JsonObject = { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } }
const schema: JsonObject = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address },
  properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
  additionalProperties: false,
}

const tool = (name: string, more: Partial<Operation> = {}) => operation(name, { connector: 'test', ...more })

class ConformanceCalls extends FixtureCalls {
  override operations = [
    ...['simple_text', 'image_content', 'audio_content', 'error_handling', 'tool_with_progress'].map((name) => tool(name)),
    tool('schemas', { jointName: 'json_schema_2020_12_tool', inputSchema: schema }),
  ]

  // The suite sends no token.
  override authenticate() {
    return super.authenticate('Bearer robot')
  }

  override async call(_principal: unknown, asked: Asked): Promise<Answer> {
    const common = { callId: newCallId(0, new Uint8Array(16)), traceparent: '' }
    const media: Record<string, [string, Uint8Array]> = {
      simple_text: ['text/plain', Buffer.from('This is a simple text response for testing.')],
      image_content: ['image/png', Buffer.from('iVBORw0KGgo=', 'base64')],
      audio_content: ['audio/wav', Buffer.from('UklGRg==', 'base64')],
      tool_with_progress: ['text/plain', Buffer.from('done')],
    }
    if (asked.operation.name === 'tool_with_progress') for (let i = 0; i < 3; i++) asked.onWaiting?.(common.callId)
    const [type, bytes] = media[asked.operation.name] ?? []
    if (type === undefined || bytes === undefined)
      return { kind: 'failed', ...common, code: 'UPSTREAM', message: 'the tool failed', inDoubt: false }
    const value = type === 'text/plain' ? Buffer.from(bytes).toString() : Buffer.from(bytes).toString('base64')
    return {
      kind: 'result',
      ...common,
      result: { status: 200, headers: { 'content-type': type }, body: { kind: 'bytes', bytes }, value },
      replayed: false,
    }
  }
}

let at: DoorUnderTest
let folder: string
beforeAll(async () => {
  at = await openDoor({ calls: new ConformanceCalls() })
  folder = await mkdtemp(join(tmpdir(), 'mcp-conformance-'))
})
afterAll(async () => {
  await at.close()
  await rm(folder, { recursive: true })
})

test('the official conformance suite finds nothing to fail in what this door serves', async () => {
  const cli = join(dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json')), 'dist/index.js')
  const child = spawn(process.execPath, [cli, 'server', '--url', at.url, '--suite', 'all'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  for await (const chunk of child.stdout) output += String(chunk)
  const summary = output.slice(output.indexOf('=== SUMMARY ==='))
  const passed = [...summary.matchAll(/^✓ ([\w-]+): \d+ passed, 0 failed/gm)].map(([, name]) => name)
  // The other scenarios ask for resources, prompts, completion, sampling and elicitation, which a gateway of operations does not offer.
  expect(passed).toEqual(expect.arrayContaining(SCENARIOS))
})
