import { texts } from '../texts.ts'

// Controls, formats, separators, unassigned and private characters, odd spaces, variation selectors, and letters that are drawn empty.
const INVISIBLE =
  /(\u034f|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]|[\u115f\u1160\u2800\u3164\uffa0]|\u17b4|\u17b5|\p{Variation_Selector}|(?! )\p{Zs})/u

const codeOf = (character: string): string => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`

/** A text of an agent: whole, and with every character that shows nothing, or changes how its neighbours are shown, as a mark. */
export const VisibleText = ({ text }: { text: string }) => <Marked parts={text.split(INVISIBLE)} nameOf={codeOf} />

/** The same for a text in which the gateway wrote every such character as `\uXXXX`. */
export const EscapedText = ({ text }: { text: string }) => (
  <Marked parts={text.split(/\\u([0-9a-f]{4})/)} nameOf={(digits) => `U+${digits.toUpperCase()}`} />
)

/** Plain text and, at every odd place, what is marked in it by its name. */
function Marked({ parts, nameOf }: { parts: readonly string[]; nameOf: (part: string) => string }) {
  let at = 0
  return (
    <bdi dir="ltr">
      {parts.map((part, index) => {
        const key = `${at}`
        at += part.length + (index % 2)
        if (index % 2 === 0) return part
        const name = nameOf(part)
        return (
          <mark key={key} className="invisible" title={texts.hold.invisible(name)}>
            {name}
          </mark>
        )
      })}
    </bdi>
  )
}
