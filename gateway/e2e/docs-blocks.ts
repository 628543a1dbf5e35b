import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A fenced block of a page. */
export interface Block {
  file: string
  /** Of its first line. */
  line: number
  language: string
  text: string
  /** From a line right above that holds nothing but a name: the file that the block is. */
  label?: string
  /** Lines of a `text` block right below, `…` standing for anything: what the commands print. */
  expected?: readonly string[]
}

export interface Page {
  file: string
  text: string
  blocks: readonly Block[]
}

/** README and the guides, in the order in which their commands are run. */
export function pages(): readonly Page[] {
  const guides = readdirSync(join(ROOT, 'docs/guides')).map((name) => `docs/guides/${name}`)
  // Operating runs the organisation that the guide on policies makes.
  const last = 'docs/guides/operating.md'
  return ['README.md', ...guides.filter((file) => file !== last).sort(), last].map(pageOf)
}

export function pageOf(file: string): Page {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return { file, text, blocks: blocksOf(file, text) }
}

const FENCE = /^ *```(\S*)$/

function blocksOf(file: string, text: string): Block[] {
  const lines = text.split('\n')
  const blocks: (Block & { end: number })[] = []
  for (let at = 0; at < lines.length; at++) {
    const language = FENCE.exec(lines[at] ?? '')?.[1]
    if (language === undefined) continue
    const end = lines.findIndex((line, index) => index > at && FENCE.test(line))
    if (end < 0) throw new Error(`${file}:${at + 1}: the block has no end`)
    const label = /^`([^`]+)`:$/.exec(lines.slice(0, at).findLast((line) => line !== '') ?? '')?.[1]
    const body = lines.slice(at + 1, end)
    const above = blocks.at(-1)
    const joined = above?.language === 'sh' && language === 'text' && lines.slice(above.end + 1, at).every((line) => line === '')
    if (above && joined) above.expected = body.filter((line) => line.trim() !== '').map((line) => line.trim())
    blocks.push({ file, line: at + 2, language, text: body.join('\n'), end, ...(label === undefined ? {} : { label }) })
    at = end
  }
  return blocks
}

/** A text as a pattern of its own characters. */
export const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** The lines of a block's expected output that did not come. */
export function missing({ expected = [] }: Block, output: string): string[] {
  return expected.filter((line) => !new RegExp(line.split('…').map(literally).join('.*')).test(output))
}
