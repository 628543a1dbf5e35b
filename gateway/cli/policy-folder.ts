import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'

/** The texts of a folder of policies, as the control plane takes them. */
export interface PolicyFolder {
  files: { name: string; text: string }[]
  /** Text of `facts.yaml`; null where there is none. */
  facts: string | null
}

/** Reads `*.cedar` and `facts.yaml`; nothing is checked. Throws CONFIG_INVALID where the folder cannot be read or has no policies. */
export function readPolicyFolder(folder: string): PolicyFolder {
  let names: string[]
  try {
    names = readdirSync(folder).sort()
  } catch (cause) {
    throw new GatewayError('CONFIG_INVALID', `cannot read \`${folder}\`: give a folder with policies`, { cause })
  }
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const files = names.filter((name) => name.endsWith('.cedar')).map((name) => ({ name, text: read(name) }))
  if (files.length === 0)
    throw new GatewayError('CONFIG_INVALID', `there are no policies in \`${folder}\`: give a folder with \`.cedar\` files`)
  return { files, facts: names.includes('facts.yaml') ? read('facts.yaml') : null }
}
