import { createHash } from 'node:crypto'
import type { ASTVisitor, DocumentNode, GraphQLSchema, OperationDefinitionNode, ValidationContext, ValidationRule } from 'graphql'
import { GraphQLError, Kind, parse, specifiedRules, validate } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { Fault } from '../../core/errors.ts'
import { LIMITS } from '../../limits.ts'
import { argumentPointer } from './argument-pointer.ts'
import { checkDocument, checkSource } from './document-limits.ts'
import { asRefused, extensionsOf, RequestRefused, refuseRequest } from './refused.ts'

const VALIDATION_ERRORS_MAX = 20

/** A document that is valid in one view. `hash` is SHA-256 hex of its text. */
export interface Prepared {
  readonly hash: string
  readonly document: DocumentNode
}

/**
 * The documents of one view: parsed, bounded and validated once, kept within bounds, never shared with another view. Refusals are kept too, so that a
 * document that is costly to refuse is costly once.
 */
export class Documents {
  private readonly byHash = new Map<string, DocumentNode>()
  private readonly known: LRUCache<string, Prepared | RequestRefused>

  constructor(private readonly schema: GraphQLSchema) {
    this.known = new LRUCache<string, Prepared | RequestRefused>({
      max: LIMITS.graphqlDocumentsPerViewMax,
      maxSize: LIMITS.graphqlDocumentCharsPerViewMax,
      sizeCalculation: (_, source) => Math.max(1, source.length),
      dispose: (gone) => {
        if ('document' in gone) this.byHash.delete(gone.hash)
      },
    })
  }

  /** Throws RequestRefused (BAD_INPUT, or NOT_FOUND for root fields that are unknown or invisible: both read alike). */
  prepare(source: string): Prepared {
    if (source.length > LIMITS.graphqlSourceCharsMax) checkSource(source)
    const known = this.known.get(source)
    if (known instanceof RequestRefused) throw known
    if (known) return known
    try {
      const document = this.read(source)
      const prepared = { hash: createHash('sha256').update(source).digest('hex'), document }
      this.byHash.set(prepared.hash, document)
      this.known.set(source, prepared)
      return prepared
    } catch (error) {
      const refused = asRefused(error)
      if (refused.code !== 'INTERNAL') this.known.set(source, refused)
      throw refused.code === 'INTERNAL' ? error : refused
    }
  }

  /** For Apollo Server: finds what `prepare` made, so that nothing is parsed or validated twice. */
  readonly store = {
    get: (key: string): Promise<DocumentNode | undefined> => Promise.resolve(this.byHash.get(key.slice(-64))),
    set: (): Promise<void> => Promise.resolve(),
    delete: (): Promise<boolean> => Promise.resolve(false),
  }

  private read(source: string): DocumentNode {
    checkSource(source)
    const document = parsed(source)
    checkDocument(document)
    const found = validated(this.schema, document)
    if (found.length === 0) return document
    const faults = found.flatMap(({ fault }) => (fault ? [fault] : []))
    const missing = found.find(({ code }) => code === 'NOT_FOUND')
    const errors = found.map(({ error, code, fault }) => ({
      message: sayable(error),
      ...(error.locations && { locations: error.locations }),
      extensions: extensionsOf({ code, ...(fault && { faults: [fault] }) }),
    }))
    const first = missing ?? found[0]
    throw new RequestRefused(missing ? 'NOT_FOUND' : 'BAD_INPUT', first ? sayable(first.error) : 'the query is not valid', errors, {
      faults,
      status: 400,
      ...(missing?.asked !== undefined && { asked: missing.asked }),
    })
  }
}

/** graphql-js gives up on documents whose equal fields are too many to compare, without a word of why. */
const sayable = ({ message }: GraphQLError): string =>
  message === 'Validation aborted.' ? 'the query repeats fields too often to be checked: name each field once' : message

function parsed(source: string): DocumentNode {
  try {
    return parse(source, { maxTokens: LIMITS.graphqlTokensMax })
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    const tooMany = error.message.includes(`${LIMITS.graphqlTokensMax} tokens`)
    const message = tooMany
      ? `the query has more than ${LIMITS.graphqlTokensMax} tokens: put long values into variables`
      : error.message.replace(/^Syntax Error/, 'syntax error')
    const located = { message, ...(error.locations && { locations: error.locations }), extensions: { code: 'BAD_INPUT' } }
    throw new RequestRefused('BAD_INPUT', message, [located])
  }
}

interface Found {
  error: GraphQLError
  code: 'BAD_INPUT' | 'NOT_FOUND'
  /** Root field asked for. */
  asked?: string
  fault?: Fault
}

function validated(schema: GraphQLSchema, document: DocumentNode): Found[] {
  const absent = document.definitions.flatMap((each) =>
    each.kind === Kind.OPERATION_DEFINITION && !schema.getRootType(each.operation) ? absentRoot(each) : [],
  )
  if (absent.length > 0) return absent
  const rooted = new Map<GraphQLError, string>()
  const rules = specifiedRules.map((rule) => (rule.name === 'FieldsOnCorrectTypeRule' ? noting(rule, rooted) : rule))
  return validate(schema, document, rules, { maxErrors: VALIDATION_ERRORS_MAX, hideSuggestions: true }).map((error) => {
    const asked = rooted.get(error)
    if (asked !== undefined) return { error, code: 'NOT_FOUND', asked }
    const pointer = argumentPointer(document, error)
    return { error, code: 'BAD_INPUT', ...(pointer !== null && { fault: { pointer, message: error.message } }) }
  })
}

/** A view without writes has no Mutation: its fields are unknown in the words that an unknown field gets. */
function absentRoot(operation: OperationDefinitionNode): Found[] {
  const type = operation.operation.charAt(0).toUpperCase() + operation.operation.slice(1)
  if (operation.operation === 'subscription')
    throw refuseRequest('BAD_INPUT', 'there are no subscriptions here: ask `call(id, waitSeconds)`')
  return operation.selectionSet.selections.slice(0, VALIDATION_ERRORS_MAX).map((selection) => {
    const asked = selection.kind === Kind.FIELD ? selection.name.value : '...'
    return { error: new GraphQLError(`Cannot query field "${asked}" on type "${type}".`, { nodes: selection }), code: 'NOT_FOUND', asked }
  })
}

/** The rule, noting which of its errors are about fields of a root type. */
function noting(rule: ValidationRule, rooted: Map<GraphQLError, string>): ValidationRule {
  return (context: ValidationContext): ASTVisitor => {
    const noted = Object.create(context, {
      reportError: {
        value: (error: GraphQLError) => {
          const node = error.nodes?.[0]
          const parent = context.getParentType()
          const schema = context.getSchema()
          const root = parent !== undefined && parent !== null && (parent === schema.getQueryType() || parent === schema.getMutationType())
          if (root && node?.kind === Kind.FIELD) rooted.set(error, node.name.value)
          context.reportError(error)
        },
      },
    }) as ValidationContext
    return rule(noted)
  }
}
