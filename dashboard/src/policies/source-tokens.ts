/** What the words of a text are. */
export type TokenKind = 'comment' | 'string' | 'annotation' | 'keyword' | 'effect' | 'number' | 'type'

const CEDAR = [
  String.raw`(?<comment>\/\/[^\n]*)`,
  String.raw`(?<string>"(?:[^"\\\n]|\\.)*"?)`,
  String.raw`(?<annotation>@[A-Za-z_]\w*)`,
  String.raw`(?<effect>\b(?:permit|forbid)\b)`,
  String.raw`(?<keyword>\b(?:when|unless|in|is|has|like|if|then|else|true|false|principal|action|resource|context)\b)`,
  String.raw`(?<type>\b[A-Z]\w*(?=::))`,
  String.raw`(?<number>\b\d+\b)`,
].join('|')

const JSON_WORDS = [
  String.raw`(?<string>"(?:[^"\\\n]|\\.)*"?)`,
  String.raw`(?<number>-?\b\d+(?:\.\d+)?\b)`,
  String.raw`(?<keyword>\b(?:true|false|null)\b)`,
].join('|')
const YAML = [
  String.raw`(?<comment>(?<=^|\s)#[^\n]*)`,
  String.raw`(?<string>"(?:[^"\\\n]|\\.)*"|'[^'\n]*')`,
  String.raw`(?<type>[\w-]+(?=:(?:\s|$)))`,
].join('|')

/** Finds the words of a file, by its name: the name of the group that matched is their kind. */
export const wordsOf = (name: string): RegExp =>
  new RegExp(name.endsWith('.cedar') ? CEDAR : name.endsWith('.json') ? JSON_WORDS : YAML, 'g')

export function kindOf(match: RegExpMatchArray): TokenKind | undefined {
  return Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0] as TokenKind | undefined
}
