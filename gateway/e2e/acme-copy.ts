import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Changes a file that must change. */
export function edited(path: string, edit: (text: string) => string): void {
  const before = readFileSync(path, 'utf8')
  const after = edit(before)
  if (after === before) throw new Error(`the edit of ${path} changes nothing`)
  writeFileSync(path, after)
}

/**
 * Copies Acme's configuration into a folder and returns the copy's own folder. The clerk may pay more in an hour than at Acme, since one organisation is
 * asked for the payments of many tests; what the hour may cost has tests of its own.
 */
export function copyAcme(home: string): string {
  const acme = join(home, 'examples/acme')
  mkdirSync(join(home, 'examples'), { recursive: true })
  cpSync(join(ROOT, 'examples/acme'), acme, { recursive: true, filter: (source) => !source.endsWith('.ts') })
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  edited(join(acme, 'policies/erp.cedar'), (text) => text.replace('decimal("5000.00")', 'decimal("5000000.00")'))
  edited(join(acme, 'policies/tests/erp.json'), (text) => {
    const tests: { reason: string[] }[] = JSON.parse(text)
    return JSON.stringify(tests.filter(({ reason }) => !reason.includes('erp-payments-per-hour')))
  })
  return acme
}
