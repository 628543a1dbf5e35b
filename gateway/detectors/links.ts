import topLevelDomains from 'tlds' with { type: 'json' }

const TOP_LEVEL: ReadonlySet<string> = new Set(topLevelDomains)

/**
 * Whether a text holds an address that something could be fetched from or sent to: a URL of a web, file or script scheme, also written to look
 * harmless (`hxxp`, `example[.]com`, `http[:]//`); a host with `www.`; a protocol-relative address; a host under a registered top-level domain that is
 * followed by a path. A bare domain name and a mail address are none. Linear.
 */
export function hasLink(visible: string): boolean {
  const text = visible.includes('.') || visible.includes('dot') || visible.includes(':') ? refanged(visible) : visible
  if (URL.test(text)) return true
  for (const match of text.matchAll(HOST)) {
    const [, slashes, host = '', path] = match
    if (text[(match.index ?? 0) - 1] === '@') continue
    const last = host.slice(host.lastIndexOf('.') + 1).toLowerCase()
    if (!TOP_LEVEL.has(last)) continue
    if (slashes !== undefined || path !== undefined || /^www\./i.test(host)) return true
  }
  return false
}

const FANGS = /[[({]\s?(?:\.|dot|:|:\/\/)\s?[\])}]/gi

/** Undoes what people do to make an address harmless. */
function refanged(text: string): string {
  return text.replace(FANGS, (bracketed) => {
    const inner = bracketed.slice(1, -1).trim().toLowerCase()
    return inner === 'dot' ? '.' : inner
  })
}

const URL =
  /(?<![a-z0-9])(?:h(?:tt|xx|\*\*)ps?|ftps?|sftp|wss?|file|gopher):\/{1,2}[^\s/"'<>]|(?<![a-z0-9])(?:javascript|vbscript):[^\s]|data:text\/html/i
const HOST = /(?<![a-z0-9.@_-])(\/\/)?((?:[a-z0-9][a-z0-9-]{0,62}\.){1,8}[a-z][a-z0-9-]{1,62})(?![a-z0-9-])(?::\d{1,5})?([/?#][^\s])?/gi
