import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { isCanonicalBase64Url } from './compact-jws.ts'

interface ScryptHash {
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** RFC 7914 2. Secrets made by `newClientSecret` have 256 bits of their own, so the work factor only has to slow down chosen ones. */
const COST = { cost: 16_384, blockSize: 8, parallelization: 1 }
const HASH_BYTES = 32
const MEMORY_BYTES_MAX = 268_435_456

/** A new client secret: 256 random bits as base64url. */
export const newClientSecret = (): string => randomBytes(32).toString('base64url')

/** `scrypt$N$r$p$salt$hash`, salt and hash as base64url: what the configuration keeps in place of the secret. */
export async function hashClientSecret(secret: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(secret, { ...COST, salt, hash: Buffer.alloc(HASH_BYTES) })
  const { cost, blockSize, parallelization } = COST
  return ['scrypt', cost, blockSize, parallelization, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** Reads a stored hash. Throws CONFIG_INVALID, naming the client, on another form or on costs out of bounds. */
export function parseSecretHash(text: string, client: string): ScryptHash {
  const [scheme, n, r, p, salt = '', hash = '', ...rest] = text.split('$')
  const cost = Number(n)
  const blockSize = Number(r)
  const parallelization = Number(p)
  const sound =
    scheme === 'scrypt' &&
    rest.length === 0 &&
    [16_384, 32_768, 65_536, 131_072].includes(cost) &&
    [8, 16].includes(blockSize) &&
    [1, 2, 3, 4, 5].includes(parallelization) &&
    [salt, hash].every((part) => part.length >= 22 && part.length <= 128 && isCanonicalBase64Url(part))
  if (!sound) throw new GatewayError('CONFIG_INVALID', `the secret hash of client \`${client}\` is not of the form scrypt$N$r$p$salt$hash`)
  return { cost, blockSize, parallelization, salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url') }
}

function derive(secret: string, { salt, hash, ...cost }: ScryptHash): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, hash.length, { ...cost, maxmem: MEMORY_BYTES_MAX }, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

/** Compares secrets with their hashes, a bounded number at a time, in the same time whether or not there is a hash. */
export class SecretChecker {
  readonly #hashes: ReadonlyMap<string, ScryptHash>
  readonly #decoy: ScryptHash = { ...COST, salt: randomBytes(16), hash: randomBytes(HASH_BYTES) }
  #running = 0

  /** Throws CONFIG_INVALID as `parseSecretHash` does. */
  constructor(hashes: ReadonlyMap<string, string>) {
    this.#hashes = new Map([...hashes].map(([client, hash]) => [client, parseSecretHash(hash, client)]))
  }

  /** Throws LIMITED where too many checks run already. */
  async matches(client: string, secret: string): Promise<boolean> {
    if (this.#running >= LIMITS.secretChecksConcurrentMax)
      throw new GatewayError('LIMITED', 'too many client secrets are being checked', { retryAfterSeconds: 1 })
    this.#running++
    try {
      const known = this.#hashes.get(client)
      const expected = known ?? this.#decoy
      const equal = timingSafeEqual(await derive(secret, expected), expected.hash)
      return equal && known !== undefined
    } finally {
      this.#running--
    }
  }
}
