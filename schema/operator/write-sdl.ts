import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { operatorSdl } from './schema.ts'

// Writes `schema/operator.graphql` below the working folder, the repository's root: `npm run sdl`.
writeFileSync(resolve('schema/operator.graphql'), operatorSdl())
