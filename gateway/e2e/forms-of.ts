import type { Reply } from './send.ts'

/** As writers of JSON do that write ASCII only. */
const ascii = (json: string): string => json.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Every form of a value that a reader could turn back, in lower case. Written without the gateway's own list of forms. */
export function formsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const shifted = [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before, 0x2d), bytes]).toString('base64')
    // What stays the same whatever stands before and behind it.
    const inner = whole.slice(before === 0 ? 0 : 4, -4)
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
  const json = JSON.stringify(value).slice(1, -1)
  const texts = [
    value,
    json,
    json.replaceAll('/', '\\/'),
    JSON.stringify(json).slice(1, -1),
    ascii(json),
    ascii(json.replaceAll('/', '\\/')),
    encodeURIComponent(value),
    new URLSearchParams({ s: value }).toString().slice(2),
  ]
  // Replies, files and spans are read byte by byte.
  const bytewise = texts.map((form) => Buffer.from(form).toString('latin1'))
  return [...new Set([...texts, ...bytewise, bytes.toString('hex'), ...shifted].map((form) => form.toLowerCase()))]
}

/** The first form of the value that a text has. */
export function leakOf(value: string): (text: string) => string | undefined {
  const forms = formsOf(value)
  return (text) => {
    const folded = text.toLowerCase()
    return forms.find((form) => folded.includes(form))
  }
}

export const whole = ({ status, headers, bytes }: Reply): string => `${status} ${JSON.stringify(headers)} ${bytes.toString('latin1')}`
