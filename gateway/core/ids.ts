import { GatewayError } from './errors.ts'

declare const brand: unique symbol
export type Brand<T, B extends string> = T & { readonly [brand]: B }

/** `call_` and 26 lower-case base-32 digits: 48 bits of time, 80 bits of randomness, so ids sort by time. */
export type CallId = Brand<string, 'CallId'>
/** `hold_` and 26 digits, as a call id. */
export type HoldId = Brand<string, 'HoldId'>
/** Returned by the recorder only, and only once the intent is durable: the key that `execute` asks for. */
export type IntentId = Brand<string, 'IntentId'>
/** `prop_` and 26 digits, as a call id. */
export type ProposalId = Brand<string, 'ProposalId'>
/** `run_` and 26 digits, as a call id. */
export type RunId = Brand<string, 'RunId'>
/** `grant_` and 26 digits, as a call id. */
export type GrantId = Brand<string, 'GrantId'>
/** `glass_` and 26 digits, as a call id. */
export type BreakGlassId = Brand<string, 'BreakGlassId'>
/** `connector.operation`. */
export type OperationId = Brand<string, 'OperationId'>

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

function suffix(nowMs: number, random: Uint8Array): string {
  let time = ''
  for (let rest = nowMs, i = 0; i < 10; i++) {
    time = ALPHABET[rest % 32] + time
    rest = Math.floor(rest / 32)
  }
  let noise = ''
  for (let i = 0; i < 16; i++) noise += ALPHABET[(random[i] ?? 0) % 32]
  return time + noise
}

/** Needs 16 random bytes, of which 5 bits each are used. */
export const newCallId = (nowMs: number, random: Uint8Array): CallId => `call_${suffix(nowMs, random)}` as CallId
export const newHoldId = (nowMs: number, random: Uint8Array): HoldId => `hold_${suffix(nowMs, random)}` as HoldId
export const newProposalId = (nowMs: number, random: Uint8Array): ProposalId => `prop_${suffix(nowMs, random)}` as ProposalId
export const newRunId = (nowMs: number, random: Uint8Array): RunId => `run_${suffix(nowMs, random)}` as RunId
export const newGrantId = (nowMs: number, random: Uint8Array): GrantId => `grant_${suffix(nowMs, random)}` as GrantId
export const newBreakGlassId = (nowMs: number, random: Uint8Array): BreakGlassId => `glass_${suffix(nowMs, random)}` as BreakGlassId
export const operationId = (connector: string, name: string): OperationId => `${connector}.${name}` as OperationId

/** When an id was made, in milliseconds since the epoch. */
export const timeOfId = (id: string): number =>
  [...id.slice(id.indexOf('_') + 1).slice(0, 10)].reduce((ms, digit) => ms * 32 + ALPHABET.indexOf(digit), 0)

/** Parses a call id that came from outside. Throws ID_MALFORMED. */
export function parseCallId(raw: string): CallId {
  if (!/^call_[0-9a-z]{26}$/.test(raw))
    throw new GatewayError('ID_MALFORMED', 'malformed call id: a call id is `call_` and 26 letters and digits')
  return raw as CallId
}

/** Parses a hold id that came from outside. Throws ID_MALFORMED. */
export function parseHoldId(raw: string): HoldId {
  if (!/^hold_[0-9a-z]{26}$/.test(raw))
    throw new GatewayError('ID_MALFORMED', 'malformed hold id: a hold id is `hold_` and 26 letters and digits')
  return raw as HoldId
}

/** Parses a proposal's id that came from outside. Throws ID_MALFORMED. */
export function parseProposalId(raw: string): ProposalId {
  if (!/^prop_[0-9a-z]{26}$/.test(raw))
    throw new GatewayError('ID_MALFORMED', 'malformed proposal id: a proposal id is `prop_` and 26 letters and digits')
  return raw as ProposalId
}

/** Parses a grant's id that came from outside. Throws ID_MALFORMED. */
export function parseGrantId(raw: string): GrantId {
  if (!/^grant_[0-9a-z]{26}$/.test(raw))
    throw new GatewayError('ID_MALFORMED', "malformed grant id: a grant's id is `grant_` and 26 letters and digits")
  return raw as GrantId
}

/** Parses the id of a broken glass that came from outside. Throws ID_MALFORMED. */
export function parseBreakGlassId(raw: string): BreakGlassId {
  if (!/^glass_[0-9a-z]{26}$/.test(raw))
    throw new GatewayError('ID_MALFORMED', "malformed break-glass id: a break-glass use's id is `glass_` and 26 letters and digits")
  return raw as BreakGlassId
}
