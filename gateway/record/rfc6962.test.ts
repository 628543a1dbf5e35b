import { existsSync, globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type Hash, verifyConsistency, verifyInclusion, verifySubtreeConsistency, verifySubtreeInclusion } from './merkle.ts'

/** Proofs that nobody here wrote, with those that must fail. */
const FOLDER = fileURLToPath(new URL('../../../shared/data/rfc6962/testdata', import.meta.url))

interface Case {
  leafIdx: number
  treeSize: number
  start: number
  end: number
  size: number
  size1: number
  size2: number
  leafHash: string | null
  root: string | null
  root1: string | null
  root2: string | null
  proof: string[] | null
  wantErr: boolean
}

const hash = (text: string | null): Hash => Buffer.from(text ?? '', 'base64')

const VERIFIERS: Readonly<Record<string, (given: Case, proof: Hash[]) => boolean>> = {
  inclusion: (c, proof) => verifyInclusion(c.leafIdx, c.treeSize, hash(c.leafHash), proof, hash(c.root)),
  consistency: (c, proof) => verifyConsistency(c.size1, c.size2, hash(c.root1), hash(c.root2), proof),
  subtreeinclusion: (c, proof) => verifySubtreeInclusion(c.leafIdx, c, hash(c.leafHash), proof, hash(c.root)),
  subtreeconsistency: (c, proof) => verifySubtreeConsistency(c, c.size, hash(c.root1), hash(c.root2), proof),
}

if (!existsSync(FOLDER)) console.warn('\n*** THE MERKLE PROOFS OF rfc6962 ARE SKIPPED: their folder is not there ***\n')

describe.skipIf(!existsSync(FOLDER))('proofs from outside', () => {
  test('there are 518', () => {
    expect(globSync('**/*.json', { cwd: FOLDER })).toHaveLength(518)
  })

  test.each(Object.keys(VERIFIERS))('%s', (kind) => {
    const wrong = globSync(`${kind}/**/*.json`, { cwd: FOLDER }).filter((file) => {
      const given = JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as Case
      return VERIFIERS[kind]?.(given, (given.proof ?? []).map(hash)) === given.wantErr
    })
    expect(wrong).toEqual([])
  })
})
