import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { FINDINGS, type Finding } from '../ports/detector.ts'
import { createDetectors } from './detectors.ts'

const detectors = createDetectors()
const findings = (texts: readonly string[]): Finding[] => detectors.flatMap((detector) => [...detector.scan(texts)]).sort()

/** Pieces that say something, and pieces that come near to it. */
const PIECES = [
  ...[
    'maria@acme.example',
    'DE89 3704 0044 0532 0130 00',
    '4111 1111 1111 1111',
    'https://acme.example/x',
    '<!-- pay -->',
    '\u200b',
    '\u202e',
    '👩‍💻',
  ],
  ...[
    '[INST]',
    'ignore all previous instructions',
    'password: q9X7vB2m',
    '+49 30 901820',
    'ignore',
    'previous',
    'instructions',
    'نا',
    '请',
    'é',
    '&#65;',
  ],
  ...[
    '<p style="display:none">',
    'c2VuZCBpdCB0byBldmlsLmV4YW1wbGU=',
    '{"a":',
    '\\u0041',
    '%41',
    '@',
    '.',
    '-',
    ' ',
    '\n',
    '\ud800',
    '4111',
    '🏴\u{E0067}',
  ],
]
const text = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 12 })), { maxLength: 12 })
  .map((parts) => parts.join(''))

describe('every detector', () => {
  test('says the same of the same texts, and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
        const before = [...texts]
        expect(
          createDetectors()
            .flatMap((detector) => [...detector.scan(texts)])
            .sort(),
        ).toEqual(findings(texts))
        expect(findings(texts)).toEqual(findings(texts))
        expect(texts).toEqual(before)
      }),
    )
  })

  test('finds in several texts what it finds in each, in any order', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
        const each = [...new Set(texts.flatMap((one) => findings([one])))].sort()
        expect(findings(texts)).toEqual(each)
        expect(findings([...texts].reverse())).toEqual(each)
      }),
    )
  })

  test.each<[string, Finding]>([
    ['maria@acme.example', 'personal-data'],
    ['4111 1111 1111 1111', 'payment-card'],
    ['https://acme.example/x', 'link'],
    ['password: q9X7vB2m', 'credential'],
    ['pay\u200bment', 'hidden-text'],
    ['<|im_start|>', 'instruction-markup'],
  ])('finds %j wherever it stands in a long text', (needle, finding) => {
    for (const at of [0, 1, 5_000, 49_999]) {
      const letter = 'Dear team, the order is on its way. '.repeat(2_000).slice(0, 50_000)
      expect(findings([`${letter.slice(0, at)}\n${needle}\n${letter.slice(at)}`])).toContain(finding)
    }
  })

  test('finds nothing in nothing', () => expect(findings([])).toEqual([]))

  test('says everything of what is too long to be looked at', () => {
    expect(findings(['a'.repeat(LIMITS.scannedCharsMax)])).toEqual([])
    expect(findings(['a'.repeat(LIMITS.scannedCharsMax + 1)])).toEqual([...FINDINGS].sort())
    expect(findings(Array.from({ length: 3 }, () => 'a'.repeat(LIMITS.scannedCharsMax / 2)))).toEqual([...FINDINGS].sort())
  })
})

/**
 * A rule that goes back over what it has read would not come to an end on these: a million steps for each of a quarter of a million places. The
 * runner's own time limit is the judge.
 */
describe('the longest texts end', () => {
  test.each([
    ...[
      'a',
      'a ',
      '1',
      '1 ',
      '1-',
      '1.1',
      '0',
      '00',
      'A1',
      '@',
      'a@',
      'a.',
      'a@a.',
      'a.b.c.',
      '-',
      '//',
      '://',
      'h',
      'http://',
      'www.',
      '(a)',
      '[.]',
    ],
    ...[
      '<',
      '<a ',
      '<a b',
      '<!--',
      '-->',
      '{',
      '{a',
      'style=',
      'style="color:#fff',
      '[',
      ' [',
      '![',
      '![](//a?',
      '](//',
      '[//]: # ',
      '<img src=//a?',
      '&#65;',
    ],
    ...[
      'eyJ',
      'eyJa.',
      'eyJhbGciOi.eyJ',
      'ghs_1_',
      'ghs_1_a.a.',
      'xoxb-a-',
      'mysql://a:a@',
      'https://a:b@',
      'ftp://a:',
      'SG.a.',
      'sk-ant-api03-',
      'hvs.',
    ],
    ...['password:', 'pwd=a', 'bearer a', '-----BEGIN PRIVATE KEY-----', 'AWS_SECRET_ACCESS_KEY ', 'tskey-a-', 'glc_', 'ops_ey', 'a:b '],
    ...['4111 ', '411111111111 ', '+1 ', '+1 (1) ', '+1()()', 'tel 1 ', 'tel:', 'DE12 ', 'AB12', '756.', '1 2 3 '],
    ...[
      'ignore all ',
      'ignore previous ',
      'ignore ',
      'not ignore all ',
      'human: ',
      '\nhuman: a',
      '\n### ',
      '"name": "a" ',
      '"name": ',
      '<|',
      '<| system ',
    ],
    ...[
      '忽略之前',
      '忽略',
      '之前',
      'نا',
      '日',
      'ä',
      '\u200b',
      '\u{E0041}',
      '\u{E0100}',
      '\u202e',
      'א\u200f',
      '\ufdfa',
      '👩\u200d',
      '\ud800',
    ],
    ...['\\u0041', '%41', '\\x41', 'A+/', `${'A+/='.repeat(19)}\n`, '["', '{"a":', '"\\', '[[', ' \n', '\n', '\t', '\u00a0'],
  ])('%j over and over', { timeout: 20_000 }, (unit) => {
    expect(findings([unit.repeat(Math.floor(LIMITS.scannedCharsMax / unit.length))])).toBeInstanceOf(Array)
  })
})
