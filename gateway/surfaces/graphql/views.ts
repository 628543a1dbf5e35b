import type { ApolloServerPlugin } from '@apollo/server'
import type { ApolloServer } from '@apollo/server'
import type { GraphQLSchema } from 'graphql'
import { LRUCache } from 'lru-cache'
import { GatewayError } from '../../core/errors.ts'
import type { Catalogue, Operation } from '../../core/operation.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { AgentContext } from '../../ports/agent-view.ts'
import type { Calls } from '../../ports/calls.ts'
import type { Log } from '../../ports/telemetry.ts'
import { Documents } from './documents.ts'
import { quietApollo } from './quiet-apollo.ts'

/** Makes the schema of a view; its resolvers need an `AgentContext`, its governed root fields carry `extensions.bound`. */
export type BuildView = (catalogue: Catalogue, operations: readonly Operation[]) => GraphQLSchema

/** What one execution adds to the context: filled while it runs, read when its response is made. */
export interface ViewContext extends AgentContext {
  responseExtensions(): Record<string, unknown> | undefined
}

/** One view's schema, documents and server. Used through `Views.use` only, so that it is not stopped under a request. */
export interface View {
  readonly schema: GraphQLSchema
  readonly documents: Documents
  readonly server: ApolloServer<ViewContext>
}

/** A view is only evicted between its making and its use where many are made at once. */
const ATTEMPTS_MAX = 3

class Slot {
  retired = false
  private users = 0

  constructor(
    readonly view: View,
    private readonly log: Log,
  ) {}

  async use<T>(work: (view: View) => Promise<T>): Promise<T> {
    this.users++
    try {
      return await work(this.view)
    } finally {
      this.users--
      this.stopIfUnused()
    }
  }

  retire(): void {
    this.retired = true
    this.stopIfUnused()
  }

  private stopIfUnused(): void {
    if (!this.retired || this.users > 0) return
    this.view.server.stop().catch((error: unknown) => this.log.error({ err: error }, 'a view did not stop'))
  }
}

/** The views in use, at most `LIMITS.graphqlViewsMax`, each made once however many ask for it at once; the least recently used goes first. */
export class Views {
  private readonly slots: LRUCache<string, Promise<Slot>>

  constructor(
    private readonly calls: Calls,
    private readonly build: BuildView,
    private readonly log: Log,
  ) {
    this.slots = new LRUCache<string, Promise<Slot>>({
      max: LIMITS.graphqlViewsMax,
      dispose: (gone) => void gone.then((slot) => slot.retire()).catch(() => undefined),
    })
  }

  /**
   * Runs `work` on this principal's view as it stands now: one snapshot from start to end, whatever is published meanwhile. Throws UNAVAILABLE where
   * views are evicted faster than they can be used.
   */
  async use<T>(principal: Principal, work: (view: View) => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const slot = await this.slot(principal)
      if (!slot.retired) return slot.use(work)
    }
    throw new GatewayError('UNAVAILABLE', 'too many different views are in use: try again')
  }

  private slot(principal: Principal): Promise<Slot> {
    const { key, operations } = this.calls.view(principal)
    const known = this.slots.get(key)
    if (known) return known
    const made = this.make(this.calls.catalogue(), operations)
    this.slots.set(key, made)
    made.catch(() => this.slots.delete(key))
    return made
  }

  /** Stops every server once its requests have ended. */
  close(): void {
    this.slots.clear()
  }

  private async make(catalogue: Catalogue, operations: readonly Operation[]): Promise<Slot> {
    const schema = this.build(catalogue, operations)
    const documents = new Documents(schema)
    const server = quietApollo<ViewContext>(schema, documents, this.log, [completeResponse])
    await server.start()
    return new Slot({ schema, documents, server }, this.log)
  }
}

/** Adds the call ids, and says how many errors were left out. */
const completeResponse: ApolloServerPlugin<ViewContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      if (response.body.kind !== 'single') return
      const result = response.body.singleResult
      const extensions = contextValue.responseExtensions()
      if (extensions) result.extensions = { ...result.extensions, ...extensions }
      const leftOut = -contextValue.budget.errorsLeft
      if (leftOut > 0)
        result.errors = [...(result.errors ?? []), { message: `${leftOut} more errors are left out`, extensions: { code: 'UPSTREAM' } }]
    },
  }),
}
