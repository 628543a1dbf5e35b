/** Texts by name: `org.cedar`, `<connector>.cedar`, `facts.yaml`, `tests/<name>.json`. */
export type Texts = Readonly<Record<string, string>>

export const FACTS = 'facts.yaml'

export const isTest = (name: string): boolean => name.startsWith('tests/')
export const isPolicy = (name: string): boolean => name.endsWith('.cedar')

/** Policies first, then facts, then tests. */
export const namesOf = (texts: Texts): string[] => {
  const rank = (name: string): number => (isPolicy(name) ? 0 : name === FACTS ? 1 : 2)
  return Object.keys(texts).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

interface StoredTexts {
  facts: string | null
  files: readonly { connector: string | null; library: boolean; text: string }[]
}

/** A stored set as it is drafted: one file a connector. Rules of the library are configured, not drafted. */
export function textsOf(set: StoredTexts, tests: readonly { name: string; text: string }[]): Texts {
  const texts: Record<string, string> = {}
  for (const { connector, text } of set.files.filter(({ library }) => !library)) {
    const name = `${connector ?? 'org'}.cedar`
    const before = texts[name]
    texts[name] = before === undefined ? text : `${before.replace(/\n?$/, '\n\n')}${text}`
  }
  if (set.facts !== null) texts[FACTS] = set.facts
  for (const { name, text } of tests) texts[isTest(name) ? name : `tests/${name}`] = text
  return texts
}

/** Policies and facts as the gateway takes them. */
export const inputOf = (texts: Texts) => ({
  files: namesOf(texts)
    .filter(isPolicy)
    .map((name) => ({ name, text: texts[name] ?? '' })),
  facts: texts[FACTS] ?? null,
})

export const testsOf = (texts: Texts) =>
  namesOf(texts)
    .filter(isTest)
    .map((name) => ({ name, text: texts[name] ?? '' }))

/** Names of what differs. */
export const changedIn = (before: Texts, after: Texts): string[] =>
  namesOf({ ...before, ...after }).filter((name) => before[name] !== after[name])

/** Texts that somebody works on, and what they were built upon. */
export interface Draft {
  /** Hash of the set. */
  base: string
  baseTexts: Texts
  texts: Texts
}

/** The draft on top of another set, and the files that both changed: there the draft's text stands. */
export function rebased({ baseTexts, texts }: Draft, base: string, active: Texts): { draft: Draft; conflicts: string[] } {
  const next: Record<string, string> = {}
  const conflicts: string[] = []
  for (const name of Object.keys({ ...baseTexts, ...texts, ...active })) {
    const [old, mine, theirs] = [baseTexts[name], texts[name], active[name]]
    if (mine !== old && theirs !== old && mine !== theirs) conflicts.push(name)
    const text = mine === old ? theirs : mine
    if (text !== undefined) next[name] = text
  }
  return { draft: { base, baseTexts: active, texts: next }, conflicts }
}

const keyOf = (person: string): string => `policy-draft:${person}`

const isTexts = (value: unknown): value is Texts =>
  typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')

/** The draft that this person left in this browser. */
export function keptDraft(person: string): Draft | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(person)) ?? 'null') as Partial<Draft> | null
    if (typeof kept?.base !== 'string' || !isTexts(kept.baseTexts) || !isTexts(kept.texts)) return undefined
    return { base: kept.base, baseTexts: kept.baseTexts, texts: kept.texts }
  } catch {
    return undefined
  }
}

/** Keeps a draft in this browser; false where it has no room. */
export function keepDraft(person: string, draft: Draft): boolean {
  try {
    localStorage.setItem(keyOf(person), JSON.stringify(draft))
    return true
  } catch {
    return false
  }
}

export function forgetDraft(person: string): void {
  try {
    localStorage.removeItem(keyOf(person))
  } catch {
    // Nothing was kept.
  }
}
