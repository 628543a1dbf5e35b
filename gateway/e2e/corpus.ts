import type { Case } from './corpus-case.ts'
import { DENIALS, HOLDS, INVISIBLE, SUBJECTS } from './corpus-decisions.ts'
import { PERMITS, TRICKS } from './corpus-permits.ts'
import { MASKED } from './corpus-masking.ts'
import { PLAYBOOKS, REASONS } from './corpus-reasons.ts'
import { BAD_INPUTS } from './corpus-refusals.ts'
import { REPEATS, UPSTREAM } from './corpus-upstream.ts'

/** The differential corpus: each case must come to the same at every door. In this order, since writes leave their mark. */
export const CORPUS: readonly Case[] = [
  ...PERMITS,
  ...TRICKS,
  ...DENIALS,
  ...HOLDS,
  ...SUBJECTS,
  ...INVISIBLE,
  ...BAD_INPUTS,
  ...REASONS,
  ...PLAYBOOKS,
  ...UPSTREAM,
  ...MASKED,
  ...REPEATS,
]
