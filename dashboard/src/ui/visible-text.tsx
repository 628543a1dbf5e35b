import { texts } from '../texts.ts'

// Controls, formats, separators, unassigned and private characters, odd spaces, variation selectors, and letters that are drawn empty.
const INVISIBLE =
  /(\u034f|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]|[\u115f\u1160\u2800\u3164\uffa0]|\u17b4|\u17b5|\p{Variation_Selector}|(?! )\p{Zs})/u

const codeOf = (character: string): string => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`

/** A text of an agent: whole, and with every character that shows nothing, or changes how its neighbours are shown, as a mark. */
export function VisibleText({ text }: { text: string }) {
  const parts = text.split(INVISIBLE)
  let at = 0
  return (
    <bdi dir="ltr">
      {parts.map((part, index) => {
        const key = `${at}`
        at += part.length + (index % 2)
        if (index % 2 === 0) return part
        return (
          <mark key={key} className="invisible" title={texts.hold.invisible(codeOf(part))}>
            {codeOf(part)}
          </mark>
        )
      })}
    </bdi>
  )
}

/** The same for a text in which the gateway wrote every such character as `\uXXXX`. */
export function EscapedText({ text }: { text: string }) {
  const parts = text.split(/\\u([0-9a-f]{4})/)
  let at = 0
  return (
    <bdi dir="ltr">
      {parts.map((part, index) => {
        const key = `${at}`
        at += part.length + (index % 2)
        if (index % 2 === 0) return part
        const code = `U+${part.toUpperCase()}`
        return (
          <mark key={key} className="invisible" title={texts.hold.invisible(code)}>
            {code}
          </mark>
        )
      })}
    </bdi>
  )
}
