/** A cosignature without the key that made it (C2SP tlog-cosignature, "Format"). */
export interface TimedSignature {
  /** When the witness says that it cosigned, in seconds since the Unix epoch. */
  seconds: number
  /** Ed25519. */
  signature: Uint8Array
}

const TIME_BYTES = 8
const SIGNATURE_BYTES = 64
/** What `Date` can say: a time beyond is nobody's clock. */
const SECONDS_MAX = 8_640_000_000_000

/** What is signed of a checkpoint's text (C2SP tlog-cosignature, "Ed25519 signed message"). */
export const cosignedText = (text: string, seconds: number): string => `cosignature/v1\ntime ${seconds}\n${text}`

export function cosignatureBytes({ seconds, signature }: TimedSignature): Uint8Array {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeBigUInt64BE(BigInt(seconds))
  return Buffer.concat([time, signature])
}

/** Undefined where the bytes are no cosignature, or one without a time: witnesses must give one (C2SP tlog-witness, "add-checkpoint"). */
export function timedSignature(bytes: Uint8Array): TimedSignature | undefined {
  if (bytes.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined
  const seconds = Number(Buffer.from(bytes).readBigUInt64BE())
  return seconds > 0 && seconds <= SECONDS_MAX ? { seconds, signature: bytes.subarray(TIME_BYTES) } : undefined
}
