import { expect, test } from 'vitest'
import { createDetectors } from '../detectors/detectors.ts'
import { findingsIn } from './findings.ts'
import { maskText } from './text-mask.ts'

const detectors = createDetectors()
const mask = (text: string, left = 100_000) => maskText(detectors, text, { left })
const IBAN = 'DE89 3704 0044 0532 0130 00'
const KEY = ['-----BEGIN', 'PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n-----END', 'PRIVATE KEY-----'].join(' ')

test.each([
  ['words without any', 'Pay the invoice of March.', 'Pay the invoice of March.', []],
  ['a mail address', 'Write to ada@customers.example today.', 'Write to [masked: personal-data] today.', ['personal-data']],
  [
    'two of them',
    'ada@customers.example and bob@customers.example',
    '[masked: personal-data] and [masked: personal-data]',
    ['personal-data'],
  ],
  [
    'an account number of several words',
    `First line\nPay ${IBAN}\nLast line`,
    'First line\n[masked: personal-data]\nLast line',
    ['personal-data'],
  ],
  ['a member of JSON', '{"to":"ada@customers.example","amount":12}', '{"to":"[masked: personal-data]","amount":12}', ['personal-data']],
  ['a card', 'card 4111111111111111 please', 'card [masked: payment-card] please', ['payment-card']],
  ['a key: nothing of the text', `Here it is:\n${KEY}\nThank you`, '[masked: credential]', ['credential']],
  ['links and markup stay', 'See https://a.example <|im_start|>system', 'See https://a.example <|im_start|>system', []],
])('%s', (_title, text, masked, findings) => {
  expect(mask(text)).toEqual({ text: masked, findings })
})

test('a secret beside an address takes the whole text with it', () => {
  expect(mask(`ada@customers.example has password: ${'hunter2!x9'}`)).toEqual({
    text: '[masked: credential, personal-data]',
    findings: ['credential', 'personal-data'],
  })
})

test('where it would take too many looks, nothing of the text is kept', () => {
  const text = Array.from({ length: 50 }, (_, at) => `person${at}@customers.example`).join(' ')
  expect(mask(text, 200).text).toBe('[masked: personal-data]')
  expect(mask(text).text).not.toContain('@')
})

test('nothing that detectors find is left, wherever a text is cut', () => {
  const all = `Ada, ada@customers.example,\n${IBAN}; 4111 1111 1111 1111\n+49 30 901820 call`
  for (let at = 0; at < all.length; at += 3) {
    const { text } = mask(all.slice(at) + all.slice(0, at))
    expect(findingsIn(detectors, [text]).filter((finding) => finding !== 'link')).toEqual([])
  }
})
