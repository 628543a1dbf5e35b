const TOKEN =
  /(?<comment>\/\/[^\n]*)|(?<string>"(?:[^"\\]|\\.)*")|(?<note>@[A-Za-z_]\w*)|(?<effect>\b(?:permit|forbid)\b)|(?<word>\b(?:when|unless|if|then|else|in|is|has|like|true|false)\b)|(?<name>\b(?:principal|action|resource|context)\b)/g

interface Piece {
  at: number
  text: string
  kind: string | undefined
}

/** The text in pieces, each with what it is in Cedar. Nothing of it is left out. */
function pieces(text: string): readonly Piece[] {
  const found: Piece[] = []
  let done = 0
  for (const match of text.matchAll(TOKEN)) {
    const kind = Object.entries(match.groups ?? {}).find(([, part]) => part !== undefined)?.[0]
    if (match.index > done) found.push({ at: done, text: text.slice(done, match.index), kind: undefined })
    found.push({ at: match.index, text: match[0], kind })
    done = match.index + match[0].length
  }
  if (done < text.length) found.push({ at: done, text: text.slice(done), kind: undefined })
  return found
}

/** A policy as it is written, with its words told apart. */
export const CedarText = ({ text }: { text: string }) => (
  <pre className="json cedar">
    {pieces(text).map(({ at, text: part, kind }) =>
      kind === undefined ? (
        part
      ) : (
        <span key={at} className={`cedar-${kind}`}>
          {part}
        </span>
      ),
    )}
  </pre>
)
