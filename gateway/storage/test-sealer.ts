import { createHash } from 'node:crypto'
import { createEntrySealer } from '../credentials/entry-sealer.ts'
import type { EntrySealer } from '../ports/entry-sealer.ts'

/** One sealer for each database of a test, the same in every process that opens it. */
export const testSealer = ({ databaseUrl, dataDir }: { databaseUrl?: string; dataDir: string }): EntrySealer =>
  createEntrySealer(
    createHash('sha256')
      .update(databaseUrl ?? dataDir)
      .digest(),
    'acme',
  )
