/** A value that cannot be printed, serialised or inspected; only `reveal` gives it. */
export interface SecretValue {
  reveal(): string
}

/** One call's credential, applied by the connector kind at the last moment. */
export interface Lease {
  readonly credential: string
  readonly version: number
  /** Header and query pairs to set. */
  headers(): Readonly<Record<string, string>>
  query(): Readonly<Record<string, string>>
  /** Every form of the secret to search answers for (plain, three base64 alignments, URL, hex), as bytes. */
  readonly needles: readonly Uint8Array[]
}

export type StaticCredential =
  | { kind: 'header'; header: string; value: string }
  | { kind: 'basic'; username: string; password: string }
  | { kind: 'query'; parameter: string; value: string }

/**
 * Credentials of connectors, sealed at rest. `lease` throws UNAVAILABLE where the credential is not set or does not open
 * (a row moved, flipped or rolled back): the call does not happen.
 */
export interface Vault {
  /** `by` goes into the entry that the change leaves. */
  set(connector: string, credential: string, value: StaticCredential, by?: string): Promise<{ version: number }>
  lease(connector: string, credential: string): Promise<Lease>
  list(): Promise<readonly { connector: string; credential: string; kind: string; version: number; setAtMs: number }[]>
}
