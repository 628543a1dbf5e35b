import { createHash } from 'node:crypto'
import { canonicalJson } from '../core/json.ts'
import type { Decider } from '../ports/decider.ts'
import type { PolicySource } from '../ports/policy-source.ts'
import type { PolicySets, PolicySetTexts } from '../ports/policy-sets.ts'

/** Name under which the gateway itself changes policies. */
export const GATEWAY = 'gatehouse'

export const textsOf = ({ files, facts }: PolicySource): PolicySetTexts => ({ files, facts: facts ?? null })

/** The same operations, approvals and people with other texts. */
export const sourceOf = ({ facts: _replaced, ...around }: PolicySource, { files, facts }: PolicySetTexts): PolicySource => ({
  ...around,
  files,
  ...(facts ? { facts } : {}),
})

/** SHA-256 hex over the texts and what they belong to, but not over where they lie: equal on every replica that has the same files. */
export function textsDigest({ files, facts }: PolicySetTexts): string {
  const sorted = files
    .map(({ connector, text }) => [connector ?? '', text])
    .sort(([a = '', x = ''], [b = '', y = '']) => (a + x < b + y ? -1 : 1))
  return createHash('sha256')
    .update(canonicalJson([sorted, facts?.text ?? null]))
    .digest('hex')
}

/** Keeps a compiled set under its hash, so that its decisions can be read for ever. */
export const keepSet = (sets: PolicySets, decider: Decider, texts: PolicySetTexts): Promise<void> =>
  sets.keep({ hash: decider.policySet, whole: decider.wholeText(), files: texts.files, facts: texts.facts, policies: decider.policies() })
