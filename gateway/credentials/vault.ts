import type { KeyObject } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { CredentialRow, CredentialStore } from '../ports/credential-store.ts'
import type { Lease, StaticCredential, Vault } from '../ports/vault.ts'
import { StaticLease } from './lease.ts'
import { keyEncryptionKey, seal, unseal } from './seal.ts'

const WRITE_TRIES_MAX = 5

export interface VaultOptions {
  store: CredentialStore
  /** The gateway's one organisation: bound into every seal. */
  organisation: string
  /** Key-encryption key, 32 bytes. */
  key: Uint8Array
  clock: Clock
}

/**
 * The sealed vault (ports/vault.ts). An opened lease is kept in memory for `LIMITS.credentialFreshMsMax`; then its row is read again, one read for all who
 * ask, and opened again only where it changed. A version below the highest this process has seen is a rollback: UNAVAILABLE until it is set anew.
 * A failed read or opening is never covered by an older lease.
 */
export function createVault(options: VaultOptions): Vault {
  return new SealedVault(options)
}

interface Entry {
  /** Until when `lease` is answered without reading the row. */
  freshUntilMs: number
  lease: Promise<StaticLease>
  /** Of the row that was opened last. */
  opened: { row: CredentialRow; lease: StaticLease } | null
  versionSeen: number
}

class SealedVault implements Vault {
  readonly #store: CredentialStore
  readonly #organisation: string
  readonly #kek: KeyObject
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()

  constructor({ store, organisation, key, clock }: VaultOptions) {
    this.#store = store
    this.#organisation = organisation
    this.#kek = keyEncryptionKey(key)
    this.#clock = clock
  }

  async set(connector: string, credential: string, value: StaticCredential, by = 'local'): Promise<{ version: number }> {
    const entry = this.#entry(connector, credential)
    for (let tries = 0; tries < WRITE_TRIES_MAX; tries++) {
      const stored = await this.#store.read(connector, credential)
      const version = (stored?.version ?? 0) + 1
      const context = { organisation: this.#organisation, connector, credential, version }
      const row: CredentialRow = {
        connector,
        credential,
        version,
        kind: value.kind,
        sealed: seal(this.#kek, context, JSON.stringify(value)),
        setAtMs: this.#clock.now(),
      }
      if (!(await this.#store.write(row, by))) continue
      // What was set here counts here at once, also after a rollback was found.
      entry.versionSeen = version
      entry.freshUntilMs = 0
      return { version }
    }
    throw new GatewayError('UNAVAILABLE', `credential \`${credential}\` of \`${connector}\` is being changed by others; try again`)
  }

  async lease(connector: string, credential: string): Promise<Lease> {
    const entry = this.#entry(connector, credential)
    const now = this.#clock.now()
    // A clock that was set back must not keep a lease alive.
    if (now >= entry.freshUntilMs || now < entry.freshUntilMs - LIMITS.credentialFreshMsMax) {
      entry.freshUntilMs = now + LIMITS.credentialFreshMsMax
      entry.lease = this.#open(connector, credential, entry)
      entry.lease.catch(() => {
        entry.freshUntilMs = 0
      })
    }
    return await entry.lease
  }

  async list(): ReturnType<Vault['list']> {
    const rows = await this.#store.list()
    return rows.map(({ connector, credential, kind, version, setAtMs }) => ({ connector, credential, kind, version, setAtMs }))
  }

  /** Names come from manifests, so there are few; the bound holds should that ever change. */
  #entry(connector: string, credential: string): Entry {
    const key = `${connector}/${credential}`
    const known = this.#entries.get(key)
    if (known) return known
    if (this.#entries.size >= LIMITS.credentialsMax)
      throw new GatewayError('UNAVAILABLE', `more than ${LIMITS.credentialsMax} credentials are in use`)
    const entry: Entry = { freshUntilMs: 0, lease: NOT_READ, opened: null, versionSeen: 0 }
    this.#entries.set(key, entry)
    return entry
  }

  async #open(connector: string, credential: string, entry: Entry): Promise<StaticLease> {
    const seenBefore = entry.versionSeen
    let row = await this.#store.read(connector, credential)
    // Set here while the row was read: what came is not a rollback but old.
    if (row && row.version < entry.versionSeen && entry.versionSeen !== seenBefore) row = await this.#store.read(connector, credential)
    if (!row)
      throw new GatewayError(
        'UNAVAILABLE',
        `credential \`${credential}\` of \`${connector}\` is not set; set it with \`gatehouse credential set\``,
      )
    if (row.version < entry.versionSeen) throw broken(connector, credential, new Error(`version ${row.version} after ${entry.versionSeen}`))
    if (entry.opened && isSame(entry.opened.row, row)) return entry.opened.lease
    const lease = this.#unseal(connector, credential, row)
    entry.opened = { row, lease }
    entry.versionSeen = row.version
    return lease
  }

  #unseal(connector: string, credential: string, row: CredentialRow): StaticLease {
    try {
      const context = { organisation: this.#organisation, connector, credential, version: row.version }
      const value = readStatic(JSON.parse(unseal(this.#kek, context, row.sealed)))
      if (value.kind !== row.kind) throw new Error('the kind of the row is not the one that was sealed')
      return new StaticLease(credential, row.version, value)
    } catch (cause) {
      throw broken(connector, credential, cause)
    }
  }
}

const NOT_READ: Promise<StaticLease> = Promise.reject(new GatewayError('UNAVAILABLE', 'the credential was not read'))
NOT_READ.catch(() => undefined)

const broken = (connector: string, credential: string, cause: unknown): GatewayError =>
  new GatewayError(
    'UNAVAILABLE',
    `credential \`${credential}\` of \`${connector}\` does not open: its row was changed or rolled back, or the vault's key is another; set it again`,
    {
      cause,
    },
  )

const isSame = (a: CredentialRow, b: CredentialRow): boolean => a.sealed === b.sealed && a.version === b.version && a.kind === b.kind

function readStatic(value: unknown): StaticCredential {
  if (!isJsonObject(value)) throw new TypeError('not a credential')
  const text = (name: string): string => {
    const member = value[name]
    if (typeof member !== 'string') throw new TypeError('not a credential')
    return member
  }
  if (value.kind === 'header') return { kind: 'header', header: text('header'), value: text('value') }
  if (value.kind === 'basic') return { kind: 'basic', username: text('username'), password: text('password') }
  if (value.kind === 'query') return { kind: 'query', parameter: text('parameter'), value: text('value') }
  throw new TypeError('not a credential')
}
