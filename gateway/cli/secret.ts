import { hashClientSecret, newClientSecret } from '../identity/client-secret.ts'
import type { ExitCode, Output } from './output.ts'

/** Makes a client secret and its hash. The secret is shown once and kept nowhere: it is the agent's, the hash is the configuration's. */
export async function makeClientSecret(output: Output): Promise<ExitCode> {
  const secret = newClientSecret()
  const secretHash = await hashClientSecret(secret)
  output.print(`secret      ${secret}\nsecretHash  ${secretHash}`, { secret, secretHash })
  return 0
}
