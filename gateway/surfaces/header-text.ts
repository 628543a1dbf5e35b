import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../core/errors.ts'

/** A header's value; the values of one that came several times are joined. */
export const singleHeader = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** What an agent says in a header: values travel as Latin-1 bytes, and text beyond ASCII in them is UTF-8. Throws BAD_INPUT where it is not. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const raw = singleHeader(headers, name)
  if (raw === undefined || /^[\x20-\x7e]*$/.test(raw)) return raw
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(raw, 'latin1'))
  } catch {
    throw new GatewayError('BAD_INPUT', `the header \`${name}\` is not UTF-8`)
  }
}
