import type { JsonObject } from '../../gateway/core/json.ts'
import type { CedarEngine } from './cedar.ts'
import { CLOSES, OPENS, tokens } from './policy-text.ts'

/** One condition of a policy that must hold (`when`) or must not (`unless`) for the policy to apply. */
export interface Condition {
  kind: 'when' | 'unless'
  /** Cedar text on one line, without comments. */
  text: string
  /** Where it starts in the policy's text, in UTF-16 units. */
  offset: number
}

interface Token {
  text: string
  offset: number
  /** Nesting of brackets around it; a bracket stands outside itself. */
  depth: number
}

/**
 * A policy's conditions, each `when` taken apart at its topmost `&&` and each `unless` at its topmost `||`: the policy's conditions hold exactly when
 * all of these do. Linear in the text, which must be a policy that parses.
 */
export function conditionsOf(policy: string): readonly Condition[] {
  const all = nested(policy)
  return all.flatMap(({ text, depth }, at): Condition[] => {
    if (depth !== 0 || (text !== 'when' && text !== 'unless')) return []
    const from = all.findIndex((token, index) => index > at && token.text === '{') + 1
    const to = all.findIndex((token, index) => index >= from && token.depth === 0)
    return split(all.slice(from, to), text === 'when' ? '&&' : '||').map((part) => {
      const inner = unwrapped(part)
      return { kind: text, text: inner.map((t) => t.text).join(''), offset: inner[0]?.offset ?? 0 }
    })
  })
}

/** A condition as a permit of its own, as text and in Cedar's JSON policy format. */
export function parseCondition({ kind, text }: Condition, engine: CedarEngine): { policy: string; json: JsonObject } {
  const policy = `permit(principal, action, resource) ${kind} { ${text} };`
  const parsed = engine.with((api) => api.policyToJson(policy))
  if (parsed.type === 'failure') throw new Error(parsed.errors.map(({ message }) => message).join('; '))
  return { policy, json: parsed.json as unknown as JsonObject }
}

/** A policy's text up to its first condition, or its end. */
export function headOf(policy: string): string {
  const first = nested(policy).find(({ text, depth }) => depth === 0 && (text === 'when' || text === 'unless' || text === ';'))
  return policy.slice(0, first?.offset).trimEnd()
}

/** The principal's part of a policy's scope as it is written, such as `principal in Gatehouse::Role::"payer"`. */
export function principalScopeOf(policy: string): { text: string; offset: number } {
  const all = nested(policy)
  const effect = all.findIndex(({ text, depth }) => depth === 0 && (text === 'permit' || text === 'forbid'))
  const from = all.findIndex((token, index) => index > effect && token.text === '(') + 1
  const to = all.findIndex((token, index) => index >= from && token.depth === 1 && token.text === ',')
  const scope = unwrapped(all.slice(from, to))
  return { text: scope.map(({ text }) => text).join(''), offset: scope[0]?.offset ?? 0 }
}

/**
 * The smallest parts of a condition: its comparisons and questions, without `&&`, `||`, `!` and brackets around them. A conditional is one part. What a
 * condition says depends on nothing else.
 */
export function partsOf({ text, offset }: Condition): readonly Condition[] {
  const whole = nested(text)
  const take = (expression: readonly Token[]): Condition[] => {
    for (const operator of ['||', '&&'] as const) {
      const parts = split(expression, operator)
      if (parts.length > 1) return parts.flatMap(take)
    }
    const inner = unwrapped(expression)
    const [first, ...rest] = inner
    if (first?.text === '!') return take(rest)
    return [{ kind: 'when', text: inner.map((token) => token.text).join(''), offset: offset + (first?.offset ?? 0) }]
  }
  return take(whole)
}

/** The policy with a scope that everything is in, and without annotations. The text must be a policy that parses. */
export function withoutScope(policy: string): string {
  const all = nested(policy)
  const effect = all.findIndex(({ text, depth }) => depth === 0 && (text === 'permit' || text === 'forbid'))
  const end = all.findIndex(({ text, depth }, index) => index > effect && depth === 0 && text === ')')
  const conditions = all.slice(end + 1).map(({ text }) => text)
  return `${all[effect]?.text} (principal, action, resource)${conditions.join('')}`
}

/** All tokens, white space and comments as one blank. */
function nested(policy: string): Token[] {
  let depth = 0
  return [...tokens(policy)].map(({ text, offset, blank }) => {
    if (blank) return { text: ' ', offset, depth }
    if (CLOSES.has(text)) depth -= 1
    const token = { text, offset, depth }
    if (OPENS.has(text)) depth += 1
    return token
  })
}

/** Takes an expression apart at an operator that stands outside all brackets, and what is wholly in brackets within them. */
function split(expression: readonly Token[], operator: '&&' | '||'): (readonly Token[])[] {
  const inner = unwrapped(expression)
  const depth = inner[0]?.depth
  const top = inner.filter((token) => token.depth === depth).map((token) => token.text)
  // `if` takes all that follows into its branches; `||` binds less than `&&`.
  const whole = top[top.findIndex((text) => text !== ' ')] === 'if' || (operator === '&&' && top.includes('||')) || !top.includes(operator)
  if (whole) return [inner]
  const parts: Token[][] = [[]]
  for (const token of inner) {
    if (token.depth === depth && token.text === operator) parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts.flatMap((part) => split(part, operator))
}

/** Without blanks at the ends and the brackets around all of it. */
function unwrapped(expression: readonly Token[]): readonly Token[] {
  let [from, to] = [0, expression.length]
  for (;;) {
    while (expression[from]?.text === ' ') from += 1
    while (expression[to - 1]?.text === ' ') to -= 1
    const [first, last] = [expression[from], expression[to - 1]]
    const around =
      first?.text === '(' && last?.text === ')' && expression.slice(from + 1, to - 1).every((token) => token.depth > first.depth)
    if (!around) return expression.slice(from, to)
    from += 1
    to -= 1
  }
}
