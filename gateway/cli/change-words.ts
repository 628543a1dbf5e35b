import type { Change, Said } from '../core/decision-change.ts'

/** What happened to a decision, as a title. */
export const TITLES: Readonly<Record<Change, string>> = {
  'newly-allowed': 'NEWLY ALLOWED',
  'newly-held': 'NEWLY HELD',
  'held-otherwise': 'HELD OTHERWISE',
  'newly-denied': 'NEWLY DENIED',
}

export function saidInWords({ effect, reason, approvals, policies }: Said): string {
  const by = policies.length === 0 ? '' : ` by ${policies.join(', ')}`
  if (effect === 'permit') return `allowed${by}`
  if (effect === 'hold') return `held for ${approvals.join(' and ')}${by}`
  return reason === 'no_permit' ? `denied: nothing permits it${policies.length > 0 ? ` (and held${by})` : ''}` : `denied (${reason})${by}`
}

const COLUMNS = 100
const INDENT = 11

/** A label and text beside it, in lines of at most 100 characters where words allow it. */
export function wrapped(label: string, text: string): string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + 1 + word.length > COLUMNS - INDENT) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.map((line, i) => `  ${(i === 0 ? label : '').padEnd(INDENT - 2)}${line}`)
}
