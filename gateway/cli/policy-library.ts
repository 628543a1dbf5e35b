import { typeWords } from '../../policies/library/parameter-types.ts'
import type { Parameter, Rule } from '../../policies/library/rule-file.ts'
import { libraryRules } from '../../policies/library/rules.ts'
import { GatewayError } from '../core/errors.ts'
import type { ExitCode, Output } from './output.ts'

/** Lists the rules of the library with what they have to be told; `name` picks one. Throws CONFIG_INVALID for a rule that there is not. */
export async function listLibrary(output: Output, name: string | undefined): Promise<ExitCode> {
  const all = libraryRules()
  const rules = name === undefined ? all : all.filter((rule) => rule.name === name)
  if (rules.length === 0)
    throw new GatewayError('CONFIG_INVALID', `the library has no rule \`${name}\`: it has ${all.map((rule) => rule.name).join(', ')}`)
  output.print(
    rules.map(inWords).join('\n\n'),
    rules.map(({ name: rule, about, parameters }) => ({
      rule,
      about,
      parameters: parameters.map(({ of, ...parameter }) => ({ ...parameter, ...(of.length > 0 ? { of } : {}) })),
    })),
  )
  return 0
}

const inWords = ({ name, about, parameters }: Rule): string => {
  const width = Math.max(...parameters.map((parameter) => parameter.name.length))
  return [name, `  ${about}`, ...parameters.map((parameter) => `  ${parameter.name.padEnd(width)}  ${parameterWords(parameter)}`)].join(
    '\n',
  )
}

function parameterWords({ type, about, optional, fallback, of }: Parameter): string {
  const more = fallback === undefined ? (optional ? '; may be left out' : '') : `; ${inYaml(fallback)} if left out`
  return `${about} (${typeWords(type, of)}${more})`
}

const inYaml = (value: unknown): string => (Array.isArray(value) ? `[${value.join(', ')}]` : String(value))
