import { Field, GraphQLISODateTime, ID, Int, ObjectType } from 'type-graphql'
import type { ExportedEntry, LogFloor, CosignedCheckpoint, LoggedEntry, LogRemoval } from '../../gateway/ports/log.ts'

@ObjectType('Cosignature', { description: 'That a witness saw a checkpoint go on from all that it saw before (C2SP tlog-cosignature).' })
export class CosignatureType {
  @Field(() => String, { description: 'Its key, as C2SP signed-note writes it. Compare it with what the witness itself says.' })
  readonly witness: string
  @Field(() => GraphQLISODateTime, { description: 'By the clock of the witness.' })
  readonly at: Date

  constructor({ witness, at }: CosignedCheckpoint['cosignatures'][number]) {
    this.witness = witness
    this.at = new Date(at)
  }
}

@ObjectType('Checkpoint', { description: 'What the log says of itself, signed (C2SP tlog-checkpoint).' })
export class CheckpointType {
  @Field(() => String, { description: "The log's name." })
  readonly origin: string
  @Field(() => String, {
    description: 'The key to verify the note with, as C2SP signed-note writes it. Compare it with what you were given otherwise.',
  })
  readonly vkey: string
  @Field(() => Int, { description: 'Entries.' })
  readonly size: number
  @Field(() => String, { description: 'The signed note, whole.' })
  readonly note: string
  @Field(() => GraphQLISODateTime, { description: 'Of its newest entry.' })
  readonly at: Date

  @Field(() => [CosignatureType], { description: 'Of the witnesses that cosigned it; their signatures are in the note.' })
  readonly cosignatures: readonly CosignatureType[]

  constructor({ origin, vkey, size, note, at, cosignatures }: CosignedCheckpoint & { origin: string; vkey: string }) {
    this.origin = origin
    this.vkey = vkey
    this.size = size
    this.note = note
    this.at = new Date(at)
    this.cosignatures = cosignatures.map((each) => new CosignatureType(each))
  }
}

@ObjectType('LogRemoval', { description: 'What an entry of the log says of those that were removed under retention.' })
export class LogRemovalType {
  @Field(() => GraphQLISODateTime, { description: 'When it was said. They went in the minutes after.' })
  readonly at: Date
  @Field(() => Int, { description: 'Index of the entry that says it.' })
  readonly entry: number
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'When the newest of them was written.' })
  readonly newest: Date | null
  @Field(() => ID, { nullable: true, description: 'The last of the calls that they belong to: calls of later ids have lost nothing.' })
  readonly lastCall: string | null

  constructor({ at, entry, newest, lastCall }: LogRemoval) {
    this.at = new Date(at)
    this.entry = entry
    this.newest = newest === null ? null : new Date(newest)
    this.lastCall = lastCall
  }
}

@ObjectType('LogFloor', { description: 'Where the log begins that is still there.' })
export class LogFloorType {
  @Field(() => Int, { description: 'Of the first entry that was not removed: 0, or a multiple of 256.' })
  readonly index: number
  @Field(() => LogRemovalType, { nullable: true, description: 'Null where nothing was removed.' })
  readonly removal: LogRemovalType | null
  @Field(() => String, {
    nullable: true,
    description: 'Why entries that are old enough are still there; null where none are, or they go soon.',
  })
  readonly heldBy: string | null

  constructor({ index, removal, heldBy }: LogFloor) {
    this.index = index
    this.removal = removal && new LogRemovalType(removal)
    this.heldBy = heldBy
  }
}

@ObjectType('LoggedEntry', { description: 'What stands in the log for an entry of the record.' })
export class LoggedEntryType {
  @Field(() => String)
  readonly process: string
  @Field(() => Int)
  readonly seq: number
  @Field(() => Int, { description: 'In the log, from 0.' })
  readonly index: number
  @Field(() => String, {
    description: 'The text that was hashed: canonical JSON (RFC 8785) of the entry without its payload, and the commitment to that.',
  })
  readonly leaf: string
  @Field(() => String, {
    nullable: true,
    description: 'That it is in the log, for anybody who has the key (C2SP tlog-proof). Null while the newest checkpoint is older.',
  })
  readonly proof: string | null

  constructor({ process, seq, index, leaf, proof }: LoggedEntry) {
    this.process = process
    this.seq = seq
    this.index = index
    this.leaf = Buffer.from(leaf).toString('utf8')
    this.proof = proof
  }
}

@ObjectType('LogEntry', { description: 'An entry of the log, with its payload where that was asked for and is still there.' })
export class LogEntryType {
  @Field(() => Int, { description: 'In the log, from 0.' })
  readonly index: number
  @Field(() => String, { description: 'The text that was hashed.' })
  readonly leaf: string
  @Field(() => String, {
    nullable: true,
    description: 'JSON text. `commitment` in the leaf is SHA-256 over the bytes of the salt and this.',
  })
  readonly payload: string | null
  @Field(() => String, { nullable: true, description: 'Of the commitment: 32 bytes in base64.' })
  readonly salt: string | null
  @Field(() => Boolean, { description: 'The payload was erased, and with it its salt.' })
  readonly erased: boolean
  @Field(() => String, {
    nullable: true,
    description:
      'What the database has of it that was not recorded: `leaf`, where its text is not what the log has the hash of, or `payload`, where that does not open. Somebody altered it.',
  })
  readonly fault: string | null

  constructor({ index, leaf, payload, erased, fault }: ExportedEntry) {
    this.fault = fault
    this.index = index
    this.leaf = Buffer.from(leaf).toString('utf8')
    this.payload = payload?.text ?? null
    this.salt = payload && Buffer.from(payload.salt).toString('base64')
    this.erased = erased
  }
}
