/** What a witness says to a checkpoint (C2SP tlog-witness, "add-checkpoint"). */
export type WitnessAnswer =
  /** It cosigned: the line of its signature, without a newline. */
  | { status: 200; cosignature: string }
  /** It was asked with another size than that of the checkpoint which it cosigned last: this one. */
  | { status: 409; size: number }
  | { status: 400 | 403 | 404 | 422; why: string }

/** Whoever cosigns the checkpoints of logs, each only where it goes on from the one before. */
export interface Witness {
  /** SHA-256 of the names of the logs that it knows, in hexadecimal. */
  readonly origins: readonly string[]
  /** Answers the body of a request. What it cosigned is durable before this resolves. Throws UNAVAILABLE where too many wait. */
  addCheckpoint(request: string): Promise<WitnessAnswer>
  /** The checkpoint that it cosigned last, with the signatures of the log and its own; undefined where there is none. */
  checkpoint(origin: string): string | undefined
}

/** What `log.witnesses` in `gatehouse.yaml` says of each. */
export interface WitnessSettings {
  /** Its key, as C2SP signed-note writes it, and the name in that. */
  vkey: string
  name: string
  /** Its submission prefix (C2SP tlog-witness, "HTTP Interface"), without a slash at the end. */
  url: string
  /** Hosts that may lead to private addresses. */
  egress: readonly string[]
}
