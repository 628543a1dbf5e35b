import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where a running gateway is reached and with what: read by the command line on the same machine. */
export interface Address {
  url: string
  token: string
}

const fileIn = (dataDir: string): string => join(dataDir, 'gateway.json')

/** Writes the address of a running gateway into its data directory (mode 0600). The returned function takes it away again. */
export function publishAddress(dataDir: string, address: Address): () => void {
  const file = fileIn(dataDir)
  rmSync(file, { force: true })
  writeFileSync(file, `${JSON.stringify(address)}\n`, { mode: 0o600, flag: 'wx' })
  return () => rmSync(file, { force: true })
}

/** The address that a gateway wrote, or undefined where none runs on this directory. */
export function readAddress(dataDir: string): Address | undefined {
  try {
    const written: unknown = JSON.parse(readFileSync(fileIn(dataDir), 'utf8'))
    if (typeof written !== 'object' || written === null || !('url' in written) || !('token' in written)) return undefined
    return { url: String(written.url), token: String(written.token) }
  } catch {
    return undefined
  }
}
