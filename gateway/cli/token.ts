import type { Address } from '../config/address-file.ts'
import { ask } from './control-plane.ts'
import type { ExitCode, Output } from './output.ts'

/** Prints a link that signs a person in once, in a browser, alone. */
export async function mintSignInLink(output: Output, address: Address, person: string): Promise<ExitCode> {
  const { signInLink } = await ask(address, 'mutation ($person: String!) { signInLink(person: $person) }', { person })
  output.print(String(signInLink), { link: signInLink ?? null })
  return 0
}

/** Prints a person's access token for the control plane, alone. */
export async function mintPersonToken(output: Output, address: Address, person: string): Promise<ExitCode> {
  const { userToken } = await ask(address, 'mutation ($person: String!) { userToken(person: $person) }', { person })
  output.print(String(userToken), { token: userToken ?? null })
  return 0
}
