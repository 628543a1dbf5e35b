import { writeReference } from './reference.ts'

writeReference('docs/reference')
