import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { dashboardTypes } from './dashboard-types.ts'
import { buildOperatorSchema, operatorSdl } from './schema.ts'

// Writes `schema/operator.graphql` and what the dashboard knows of it, below the working folder, the repository's root: `npm run sdl`.
writeFileSync(resolve('schema/operator.graphql'), operatorSdl())
writeFileSync(resolve('dashboard/src/introspection.ts'), dashboardTypes(buildOperatorSchema()))
