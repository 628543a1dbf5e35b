import { readFileSync } from 'node:fs'

/** Version of the package: one level up in the sources, two in the build. */
export const VERSION: string = readVersion()

function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const read: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
      if (typeof read === 'object' && read !== null && 'version' in read) return String(read.version)
    } catch {
      // The other level has it.
    }
  }
  return '0.0.0'
}
