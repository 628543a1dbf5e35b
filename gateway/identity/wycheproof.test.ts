import { existsSync, readFileSync } from 'node:fs'
import { type CryptoKey, importJWK, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { algorithmOf, assertNoExtensions, assertSignature, isCanonicalBase64Url, keyIdOf, readCompactJws } from './compact-jws.ts'
import { ASYMMETRIC_ALGORITHMS, JwkSet } from './jwk-set.ts'

interface Vector {
  tcId: number
  comment: string
  jws: string
  result: 'valid' | 'invalid'
}
interface Group {
  comment: string
  public?: JsonObject
  private: JsonObject
  tests: Vector[]
}

const FILE = new URL('../../../shared/data/wycheproof/json_web_signature_test.json', import.meta.url)

/** Byte for byte the valid vector 357, yet marked invalid. */
const CONTRADICTORY = new Set([367, 370])
/** Valid under a key whose own `alg` says another algorithm (PS256 for PS384) or none that exists (ES521): refused here, as RFC 7517 4.4 asks. */
const KEY_FILE_QUIRKS = new Set([346, 347, 350, 351])
/** Valid to readers that skip illegal base64 characters, which no reader of tokens should. */
const STRICTER_HERE = new Set([372, 373])

/** The path of the verifier. MAC vectors go the same way, with their secret in the place of a key that a set would never give out. */
async function accepts(jws: string, group: Group): Promise<boolean> {
  try {
    const read = readCompactJws(jws)
    const { kty, alg } = group.private
    const mac = kty === 'oct' && alg === 'HS256'
    const algorithm = algorithmOf(read, mac ? new Set(['HS256']) : ASYMMETRIC_ALGORITHMS)
    assertNoExtensions(read)
    const kid = keyIdOf(read)
    const key: CryptoKey | Uint8Array = mac
      ? await importJWK(group.private as JWK, 'HS256')
      : await new JwkSet([group.public ?? null]).key(kid, algorithm)
    await assertSignature(read, key, algorithm)
    return true
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'UNAUTHENTICATED') return false
    throw error
  }
}

const groups: Group[] = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')).testGroups : []
if (groups.length === 0) console.warn('Wycheproof vectors are absent: the signature path was NOT checked against them')

describe.skipIf(groups.length === 0)('Wycheproof JWS vectors', () => {
  test('are all there', () => {
    expect(groups.flatMap((group) => group.tests)).toHaveLength(401)
  })

  test.each(groups.map((group) => [`${group.comment} ${group.tests[0]?.tcId}`, group] as const))('%s', async (_title, group) => {
    const wrong: string[] = []
    for (const { tcId, comment, jws, result } of group.tests) {
      if (CONTRADICTORY.has(tcId)) continue
      const expected = result === 'valid' && !KEY_FILE_QUIRKS.has(tcId) && !STRICTER_HERE.has(tcId)
      if ((await accepts(jws, group)) !== expected) wrong.push(`${tcId} ${comment}: should be ${expected ? 'accepted' : 'refused'}`)
    }
    expect(wrong).toEqual([])
  })
})

test.each([
  ['', true],
  ['AA', true],
  ['AB', false],
  ['AAA', true],
  ['AAB', false],
  ['AAE', true],
  ['AAAA', true],
  ['A', false],
  ['AAAAA', false],
  ['AA==', false],
  ['A A', false],
  ['A+/A', false],
  ['_-_-', true],
  ['AA\n', false],
  ['ÄÄ', false],
])('canonical base64url %j: %s', (text, canonical) => {
  expect(isCanonicalBase64Url(text)).toBe(canonical)
  if (canonical) expect(Buffer.from(text, 'base64url').toString('base64url')).toBe(text)
})
