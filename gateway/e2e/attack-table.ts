import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * `guard`: the line that stops it, as it stands in its file; without it the test fails. Where there is a `second`, that stops the effect even then: taken out
 * alone, the guard changes what is told or nothing at all, and has a test of its own beside its file.
 */
export interface Attack {
  name: string
  guard: readonly [file: string, line: string]
  second?: string
  needsPostgres?: true
  run(): Promise<void>
}

/** An attack whose test stands elsewhere, by the words of its title. */
export type TestedElsewhere = readonly [attack: string, file: string, title: string]

/** Runs every attack, and holds that its guard, or its test elsewhere, stands where the table says. */
export function attackTable(title: string, attacks: readonly Attack[], elsewhere: readonly TestedElsewhere[], hasPostgres: boolean): void {
  const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
  describe(title, () => {
    // Some restart a gateway.
    test.each(attacks)(
      '$name',
      async ({ needsPostgres, run }) => {
        if (needsPostgres && !hasPostgres) return
        await run()
      },
      90_000,
    )

    test.each(attacks.map(({ name, guard: [file, line] }) => [name, file, line] as const))(
      '%s: its guard stands in %s',
      (_name, file, line) => {
        expect(textOf(file)).toContain(line)
      },
    )

    test.each(elsewhere)('%s: tested in %s', (_attack, file, words) => {
      expect(textOf(file)).toContain(words)
    })
  })
}
