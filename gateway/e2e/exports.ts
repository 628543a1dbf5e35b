import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { readLeaf } from '../audit/exported-entry.ts'
import { type ExportedLine, readLine } from '../audit/exported-line.ts'
import { createOutput, type ExitCode, type Output } from '../cli/output.ts'
import { type Fields, fields } from './send.ts'

/** What a command printed as JSON, and how it ended. */
export async function printed(work: (output: Output) => Promise<ExitCode>): Promise<{ exit: ExitCode; facts: Fields }> {
  const { exit, text } = await said(work, true)
  return { exit, facts: fields(JSON.parse(text)) }
}

/** What a command wrote, and how it ended. */
export async function said(work: (output: Output) => Promise<ExitCode>, json = false): Promise<{ exit: ExitCode; text: string }> {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  return { exit: await work(createOutput(json, stream, stream)), text }
}

export const linesIn = (dir: string): ExportedLine[] =>
  readFileSync(join(dir, 'entries.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => readLine(line) as ExportedLine)

export const kindOf = ({ leaf }: ExportedLine): string | undefined => readLeaf(leaf)?.body.kind

export const EVERYTHING = { since: null, until: null, calls: null, sample: null, payloads: true }
