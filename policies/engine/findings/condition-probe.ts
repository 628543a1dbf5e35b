import type { JsonObject } from '../../../gateway/core/json.ts'
import { namespaceOf, type Operation } from '../../../gateway/core/operation.ts'
import { LIMITS } from '../../../gateway/limits.ts'
import type { CedarValue } from '../cedar.ts'
import { cedarSchema, contextShape, resourceTypes } from '../cedar-schema.ts'
import { type Condition, parseCondition } from '../conditions.ts'
import type { RecordShape } from '../input-shape.ts'
import { type Chain, chainsIn } from '../expression.ts'
import { ask } from '../plan.ts'
import type { Examined } from './finding.ts'
import { type Domain, domainOf } from './value-domain.ts'

interface Parsed {
  json: JsonObject
  chains: readonly Chain[]
}

/** Asks the engine whether conditions hold where one attribute of the context has a certain value, a bounded number of times. */
export class ConditionProbe {
  readonly #examined: Examined
  readonly #known = new Map<string, boolean>()
  readonly #shapes = new Map<Operation, RecordShape>()
  readonly #parsed = new Map<string, Parsed>()
  #questions = 0

  constructor(examined: Examined) {
    this.#examined = examined
  }

  /** A condition in Cedar's JSON policy format, and what it reaches. */
  parsed(condition: Condition): Parsed {
    const key = `${condition.kind} ${condition.text}`
    const known = this.#parsed.get(key)
    if (known) return known
    const { json } = parseCondition(condition, this.#examined.engine)
    const parsed = { json, chains: chainsIn(json) }
    this.#parsed.set(key, parsed)
    return parsed
  }

  /** The values that stand for all that a path of the context can have, as far as these conditions tell them apart; undefined where none do. */
  domain(operation: Operation, path: readonly string[], conditions: readonly Condition[]): Domain | undefined {
    return domainOf(
      path,
      operation,
      this.#shape(operation),
      conditions.map((condition) => this.parsed(condition).json),
    )
  }

  /** Whether all of the conditions hold; undefined where they could not be asked. */
  holds(operation: Operation, conditions: readonly Condition[], path: readonly string[], value: CedarValue): boolean | undefined {
    const text = `permit(principal, action, resource) ${conditions.map((one) => `${one.kind} { ${one.text} }`).join(' ')};`
    const key = JSON.stringify([operation.id, text, value])
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.#questions += 1
    if (this.#questions > LIMITS.checkQuestionsMax) return undefined
    const { engine } = this.#examined
    const schema = `probe:${operation.id}`
    engine.ensureSchema(schema, () => cedarSchema({ operations: [operation], context: (one) => this.#shape(one), relaxed: true }))
    engine.ensurePolicySet(text, () => ({ p: text }))
    const [type = ''] = resourceTypes(operation)
    const principal = { type: 'Gatehouse::Agent', id: '' }
    const request = {
      principals: [principal],
      action: { type: `${namespaceOf(operation.connector)}::Action`, id: operation.name },
      resource: { type, id: '' },
      context: path.reduceRight<CedarValue>((inner, name) => ({ [name]: inner }), value) as JsonObject,
      entities: [],
    }
    const { allow, refused } = ask(engine, text, schema, request, principal)
    if (refused) return undefined
    this.#known.set(key, allow)
    return allow
  }

  #shape(operation: Operation): RecordShape {
    const shape = this.#shapes.get(operation) ?? contextShape(operation, this.#examined.compiled.facts.of(operation))
    this.#shapes.set(operation, shape)
    return shape
  }
}
