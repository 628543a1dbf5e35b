import fc from 'fast-check'
import type { DocumentNode, SelectionSetNode } from 'graphql'
import { Kind, Lexer, parse, Source, TokenKind } from 'graphql'
import { expect, test } from 'vitest'
import { Gauge, nestingOf } from './document-limits.ts'

/** The deepest nesting that graphql-js's own lexer sees before the end or its first error. */
function lexed(source: string): number {
  const lexer = new Lexer(new Source(source))
  const open: string[] = [TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]
  const close: string[] = [TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]
  let depth = 0
  let deepest = 0
  try {
    for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
      if (open.includes(token.kind)) deepest = Math.max(deepest, ++depth)
      if (close.includes(token.kind)) depth = Math.max(0, depth - 1)
    }
  } catch {
    // up to here is what a parser would have seen
  }
  return deepest
}

test('no text hides brackets from the scan that a lexer would see', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '"',
    '"""',
    '\\"',
    '\\"""',
    '\\',
    '\\\\',
    '#',
    '\n',
    '\r',
    ' ',
    'a',
    ',',
    '""',
    '\u2028',
    '1',
    '...',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const source = pieces.join('')
      expect(nestingOf(source, 1_000)).toBeGreaterThanOrEqual(lexed(source))
    }),
    { numRuns: 5_000 },
  )
})

/** The fields of a selection set with every fragment written out. */
function expanded(document: DocumentNode, set: SelectionSetNode): { cost: number; depth: number } {
  const parts = set.selections.map((selection) => {
    if (selection.kind === Kind.FIELD) {
      const inner = selection.selectionSet ? expanded(document, selection.selectionSet) : { cost: 0, depth: 0 }
      return { cost: 1 + inner.cost, depth: 1 + inner.depth }
    }
    if (selection.kind === Kind.INLINE_FRAGMENT) return expanded(document, selection.selectionSet)
    const fragment = document.definitions.find((each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === selection.name.value)
    return fragment?.kind === Kind.FRAGMENT_DEFINITION ? expanded(document, fragment.selectionSet) : { cost: 0, depth: 0 }
  })
  return { cost: parts.reduce((sum, { cost }) => sum + cost, 0), depth: Math.max(0, ...parts.map(({ depth }) => depth)) }
}

test('cost and depth are those of the document with its fragments written out', () => {
  // fragment i spreads later fragments only, so there are no cycles
  const selections = (after: number) =>
    fc.array(
      fc.oneof(
        fc.constant('a'),
        fc.constant('b: a { c }'),
        fc.constant('... { d }'),
        fc.constant('d { e { f } }'),
        fc.integer({ min: after, max: 5 }).map((i) => `...F${i}`),
      ),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
  const documents = fc
    .tuple(selections(0), ...[1, 2, 3, 4, 5].map((after) => selections(after)))
    .map(([root, ...fragments]) =>
      [`{ ${root.join(' ')} }`, ...fragments.map((each, i) => `fragment F${i} on T { ${each.join(' ')} }`), 'fragment F5 on T { z }'].join(
        ' ',
      ),
    )
  fc.assert(
    fc.property(documents, (source) => {
      const document = parse(source)
      const operation = document.definitions[0]
      if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation')
      expect(new Gauge(document).measure(operation.selectionSet, false)).toEqual(expanded(document, operation.selectionSet))
    }),
  )
})

test('cycles end', () => {
  const document = parse('{ ...A } fragment A on T { a ...B } fragment B on T { b ...A }')
  const operation = document.definitions[0]
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation')
  expect(new Gauge(document).measure(operation.selectionSet, false).cost).toBeLessThan(10)
  expect(new Gauge(document).rootFields(operation.selectionSet)).toBeLessThan(10)
})
