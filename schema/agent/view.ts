import type { GraphQLFieldConfig } from 'graphql'
import { GraphQLID, GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import type { Operation } from '../../gateway/core/operation.ts'
import type { AgentContext, BoundOperation, CallView, Whoami } from '../../gateway/ports/agent-view.ts'
import { Json } from './scalars.ts'
import type { AgentTypes } from './types.ts'
import { asJson } from './types.ts'

const text = { type: GraphQLString }

const WhoamiType = new GraphQLObjectType<Whoami, AgentContext>({
  name: 'Whoami',
  description: 'The agent that this request is made by.',
  fields: {
    name: text,
    owner: { type: GraphQLString, description: 'Who answers for the agent.' },
    roles: { type: new GraphQLList(GraphQLString) },
    subject: { type: GraphQLString, description: 'The person that the agent acts for; null when it acts for itself.' },
  },
})

const CallType = new GraphQLObjectType<CallView, AgentContext>({
  name: 'Call',
  description: 'One call of this agent and its state.',
  fields: {
    id: { type: GraphQLID },
    state: {
      type: GraphQLString,
      description: 'held, approved, executing, completed, failed, in_doubt, denied, rejected, expired or cancelled.',
    },
    operation: text,
    createdAt: text,
    expiresAt: { type: GraphQLString, description: 'Until when people can decide, where the call was held.' },
    result: {
      type: Json,
      description: 'The answer of the upstream system, once the call is completed.',
      resolve: ({ result }, _args, { budget }, info) => asJson(result, budget, info),
    },
    masked: {
      type: new GraphQLList(GraphQLString),
      description: 'Places in `result` that are null because you may not read them: JSON pointers, `*` for every item.',
    },
    error: {
      type: new GraphQLObjectType({ name: 'CallError', fields: { code: text, message: text, advice: text } }),
    },
    edited: {
      type: Json,
      description:
        'Who edited the arguments before people approved them, and how: `{by, changes: [{pointer, from, to}]}`. Null where nobody did.',
      resolve: ({ edited }, _args, { budget }, info) => asJson(edited, budget, info),
    },
    upstreamStatus: { type: GraphQLInt, description: 'HTTP status of the upstream system.' },
  },
})

const CONTROL: Record<string, GraphQLFieldConfig<unknown, AgentContext>> = {
  whoami: { type: WhoamiType, description: 'Who this agent is.', resolve: (_source, _args, context) => context.whoami() },
  call: {
    type: CallType,
    description: 'The state of one of your own calls; waits up to `waitSeconds` (at most 45) for its end.',
    args: { id: { type: new GraphQLNonNull(GraphQLID) }, waitSeconds: { type: GraphQLInt } },
    resolve: (_source, args: { id: string; waitSeconds?: number | null }, context) => context.call(args.id, args.waitSeconds ?? undefined),
  },
}

/**
 * The schema that an agent with these operations sees: reads below Query, writes below Mutation (absent without writes), `whoami` and `call` always.
 * Only the root types are new; named types come from `types`, which must be of the catalogue of these operations, so types that no visible operation
 * uses are not in the schema. Resolvers need an `AgentContext`.
 */
export function buildView(operations: readonly Operation[], types: AgentTypes): GraphQLSchema {
  const roots: Record<Operation['mode'], Record<string, GraphQLFieldConfig<unknown, AgentContext>>> = { read: {}, write: {} }
  for (const operation of operations) roots[operation.mode][operation.jointName] = rootField(operation, types)
  const query = new GraphQLObjectType({ name: 'Query', fields: { ...CONTROL, ...roots.read } })
  if (Object.keys(roots.write).length === 0) return new GraphQLSchema({ query })
  return new GraphQLSchema({ query, mutation: new GraphQLObjectType({ name: 'Mutation', fields: roots.write }) })
}

function rootField(operation: Operation, types: AgentTypes): GraphQLFieldConfig<unknown, AgentContext> {
  const { type, args, toInput, toOutput } = types.field(operation)
  const bound: BoundOperation = { operation, toInput }
  return {
    type,
    args,
    description: describe(operation),
    extensions: { bound },
    resolve: async (_source, _args, context, info) =>
      toOutput(await context.invoke(operation, String(info.path.key)), context.budget, info),
  }
}

function describe({ title, description, mode, reversibility, id }: Operation): string {
  const says = [title, description].filter((part) => part !== undefined && part !== '').join('\n\n')
  const kind = mode === 'read' ? 'Reads only' : `Writes, ${reversibility}`
  return `${says}${says === '' ? '' : '\n\n'}${kind} (\`${id}\`).`
}
