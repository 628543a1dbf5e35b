import { createRequire } from 'node:module'
import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs'
import type { JsonObject } from '../../gateway/core/json.ts'

export type { Cedar }
type Api = typeof Cedar

/** What an engine hands to its owner when the WASM instance died and was replaced. */
export type EngineFault = (cause: unknown) => void

/** A WASM trap, and the host's own stack overflow: after either the instance answers nothing any more. */
const TRAPS = new Set(['RuntimeError', 'RangeError'])
const MODULE = '@cedar-policy/cedar-wasm/nodejs'

/**
 * A fresh WASM instance. The package keeps one instance for each evaluation of its module and never forgets what was preparsed, so the module
 * is evaluated anew and kept out of the require cache. The `require` is made anew too: its parent module would list every instance for ever.
 */
function instantiate(): Api {
  const require = createRequire(import.meta.url)
  const path = require.resolve(MODULE)
  delete require.cache[path]
  const api: Api = require(path)
  delete require.cache[path]
  return api
}

/**
 * One Cedar instance with its preparsed policy sets and schemas. Everything preparsed dies with it, so a decider that is replaced gives its memory
 * back, and an old decider that still answers can never see a newer one's policies. Every method throws what the instance throws; after a
 * trap (too deep a policy, out of memory) the instance is replaced, and what was preparsed is parsed again when it is next asked for.
 */
export class CedarEngine {
  #api: Api = instantiate()
  #policySets = new Set<string>()
  #schemas = new Set<string>()
  readonly #onFault: EngineFault

  constructor(onFault: EngineFault = () => {}) {
    this.#onFault = onFault
  }

  /** Runs `use` on the instance. A trap replaces the instance and is thrown on. */
  with<T>(use: (api: Api) => T): T {
    try {
      return use(this.#api)
    } catch (cause) {
      if (cause instanceof Error && TRAPS.has(cause.name)) this.#replace(cause)
      throw cause
    }
  }

  /** Preparses once for each instance: texts, or Cedar's JSON policy format. Throws where the policies do not parse. */
  ensurePolicySet(id: string, policies: () => Record<string, string | JsonObject>): void {
    if (this.#policySets.has(id)) return
    const staticPolicies = policies() as Record<string, Cedar.Policy>
    expectSuccess(this.with((api) => api.preparsePolicySet(id, { staticPolicies })))
    this.#policySets.add(id)
  }

  /** Preparses once for each instance. Throws where the schema does not parse. */
  ensureSchema(name: string, schema: () => CedarSchema): void {
    if (this.#schemas.has(name)) return
    expectSuccess(this.with((api) => api.preparseSchema(name, schema())))
    this.#schemas.add(name)
  }

  #replace(cause: unknown): void {
    this.#api = instantiate()
    this.#policySets = new Set()
    this.#schemas = new Set()
    this.#onFault(cause)
  }
}

export type CedarSchema = Cedar.SchemaJson<string>
export type CedarType = Cedar.Type<string>
export type CedarValue = Cedar.CedarValueJson

/** `cedar 4.13.0`: the engine's name in every decision's evidence. */
export const engineVersion = (engine: CedarEngine): string => `cedar ${engine.with((api) => api.getCedarVersion())}`

function expectSuccess(answer: Cedar.CheckParseAnswer): void {
  if (answer.type === 'failure') throw new Error(answer.errors.map((e) => e.message).join('; '))
}
