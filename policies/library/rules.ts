import { readdirSync, readFileSync } from 'node:fs'
import { readRule, type Rule } from './rule-file.ts'

/** Rules stay where they are when the sources are built. */
const FOLDER = import.meta.url.endsWith('.ts') ? new URL('./', import.meta.url) : new URL('../../../policies/library/', import.meta.url)

let rules: readonly Rule[] | undefined

/** The rules that Gatehouse ships, by name. Read once. */
export function libraryRules(): readonly Rule[] {
  rules ??= readdirSync(FOLDER)
    .filter((file) => file.endsWith('.cedar'))
    .sort()
    .map((file) => readRule(file.slice(0, -'.cedar'.length), readFileSync(new URL(file, FOLDER), 'utf8')))
  return rules
}
