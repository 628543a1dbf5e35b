import { type Fault, GatewayError } from '../core/errors.ts'
import { terminalText } from '../core/visible-text.ts'

/** How a command ended: 0 done, 1 refused or found something, 2 usage. */
export type ExitCode = 0 | 1 | 2

/** Where a command writes. `--json` changes the form, never the facts. Whatever is in the text, it cannot command the terminal. */
export interface Output {
  json: boolean
  /** One line, or one JSON document, on stdout. */
  print(text: string, facts: unknown): void
  /** A remark for people on stderr; nothing with `--json`. */
  remark(text: string): void
  /** A refusal on stderr. */
  fail(error: unknown): void
}

export function createOutput(json: boolean, stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): Output {
  return {
    json,
    print(text, facts) {
      stdout.write(`${json ? JSON.stringify(facts) : terminalText(text)}\n`)
    },
    remark(text) {
      if (!json) stderr.write(`${terminalText(text)}\n`)
    },
    fail(error) {
      const known = error instanceof GatewayError ? error : undefined
      const message = error instanceof Error ? error.message : String(error)
      if (json) stderr.write(`${JSON.stringify({ error: { code: known?.code ?? 'INTERNAL', message, faults: known?.faults ?? [] } })}\n`)
      else stderr.write(`gatehouse: ${terminalText([message, ...further(message, known?.faults ?? [])].join('\n'))}\n`)
    },
  }
}

/** Faults that the message does not list itself. */
function further(message: string, faults: readonly Fault[]): string[] {
  if (faults.length < 2) return []
  return faults
    .map((fault) => (fault.pointer ? `${fault.pointer}: ${fault.message}` : fault.message))
    .filter((line) => !message.includes(line))
}

/** Columns as wide as their widest cell; a head line, then a line a row. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(head), ...rows.map(line)].join('\n')
}
