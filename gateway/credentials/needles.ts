/**
 * Secrets shorter than this are not searched for: they would mask ordinary words in every answer. The same holds for each form of a secret.
 */
export const NEEDLE_BYTES_MIN = 6

/**
 * Every form in which an upstream may echo one of these secrets: plain, inside a JSON string, inside JSON inside a JSON string, URL-encoded (both ways to write a space), hex, and inside base64
 * at its three alignments in both alphabets. Upper and lower case are the redactor's matter. No form twice.
 */
export function needlesOf(secrets: readonly string[]): readonly Uint8Array[] {
  const forms = new Set<string>()
  for (const secret of secrets) {
    const bytes = Buffer.from(secret, 'utf8')
    if (bytes.length < NEEDLE_BYTES_MIN) continue
    const inJson = JSON.stringify(secret).slice(1, -1)
    const inUrl = encodeURIComponent(secret.toWellFormed())
    const hex = bytes.toString('hex')
    const base64 = [0, 1, 2].map((before) => base64At(bytes, before))
    const base64url = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))
    const json = [inJson, inJson.replaceAll('/', '\\/'), asciiJson(inJson)]
    for (const form of [
      secret,
      ...json,
      // Systems like to answer with a text that is JSON itself, and a text has its own escapes.
      ...json.map((form) => JSON.stringify(form).slice(1, -1)),
      inUrl,
      inUrl.replaceAll('%20', '+'),
      strictUrl(inUrl),
      hex,
      ...base64,
      ...base64url,
    ])
      if (Buffer.byteLength(form) >= NEEDLE_BYTES_MIN) forms.add(form)
  }
  return [...forms].map((form) => new Uint8Array(Buffer.from(form, 'utf8')))
}

/** The characters of a base64 text that depend on these bytes alone, where `before` bytes (modulo 3) stand in front of them. */
function base64At(bytes: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
}

/** As serialisers write it that keep to ASCII. */
const asciiJson = (inJson: string): string => inJson.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** RFC 3986: the characters that ECMAScript leaves alone too. */
const strictUrl = (inUrl: string): string => inUrl.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
