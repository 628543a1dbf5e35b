import type { JsonValue } from '../../core/json.ts'
import type { Playbook, Playbooks } from '../../core/playbook.ts'
import { playbookBody } from '../playbooks.ts'
import type { Era } from './message.ts'
import { quoted, RPC, RpcError } from './rpc.ts'

/** Methods of playbooks, which are resources. */
export const RESOURCE_METHODS: ReadonlySet<string> = new Set(['resources/list', 'resources/templates/list', 'resources/read'])

const SCHEME = 'gatehouse://playbooks/'
const JSON_TYPE = 'application/json'
/** 2025-11-25 server/resources, "Error Handling". */
const RESOURCE_NOT_FOUND = -32002

const uriOf = ({ name, version }: Playbook): string => `${SCHEME}${name}/${version}`

/**
 * The playbooks as resources (2025-11-25 and 2026-07-28 server/resources), all on one page: `gatehouse://playbooks/{name}/{version}`, the same JSON as
 * at `/v1/playbooks`. Lists are built once.
 */
export class PlaybookResources {
  /** Whether there is anything to read: without, the capability is not declared. */
  readonly any: boolean
  readonly #playbooks: Playbooks
  readonly #list: string

  constructor(playbooks: Playbooks) {
    this.#playbooks = playbooks
    this.any = playbooks.all.length > 0
    this.#list = JSON.stringify(
      playbooks.all.map((playbook) => ({
        uri: uriOf(playbook),
        name: `${playbook.name} ${playbook.version}`,
        title: playbook.title,
        description: `Playbook \`${playbook.name}\`, version ${playbook.version}: its procedure, its outcomes, and the JSON Schema of its decision record.`,
        mimeType: JSON_TYPE,
      })),
    )
  }

  /** Members of the result. Throws RpcError -32602 for a cursor, and for what is no playbook (-32002 in the 2025 revisions). */
  answer(method: string, era: Era, { cursor, uri }: { cursor?: JsonValue; uri?: JsonValue }): string {
    if (method === 'resources/read') return this.#read(uri, era)
    if (cursor !== undefined) throw new RpcError(200, RPC.invalidParams, 'unknown cursor: all playbooks are on the first page')
    return method === 'resources/list' ? `"resources":${this.#list}` : '"resourceTemplates":[]'
  }

  #read(uri: JsonValue | undefined, era: Era): string {
    if (typeof uri !== 'string') throw new RpcError(200, RPC.invalidParams, '`params.uri` is not a string', { refusal: 'BAD_INPUT' })
    const [name = '', version, ...rest] = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length).split('/') : []
    const playbook = version === undefined || rest.length > 0 ? undefined : this.#playbooks.find(name, version)
    if (!playbook) {
      const code = era === 'session' ? RESOURCE_NOT_FOUND : RPC.invalidParams
      throw new RpcError(200, code, `unknown resource ${quoted(uri)}`, {
        refusal: 'NOT_FOUND',
        data: { uri: uri.slice(0, 1_024).toWellFormed() },
      })
    }
    return `"contents":${JSON.stringify([{ uri, mimeType: JSON_TYPE, text: JSON.stringify(playbookBody(playbook)) }])}`
  }
}
