import { parseJson } from '../core/json-text.ts'
import { isJsonObject } from '../core/json.ts'
import { isAtLeast, type LogMessage, type LogReader } from '../core/log-message.ts'
import { LIMITS } from '../limits.ts'
import { maskText } from './filter.ts'
import { textsIn } from './texts.ts'

/**
 * What a system may say to the reader during one call: only levels that are read, at most `LIMITS.upstreamLogsPerCallMax` messages of at most
 * `LIMITS.upstreamLogCharsMax` characters as JSON (larger ones are dropped, and count), every form of the leased secret masked as in an answer, and only
 * where `mayTell` agrees to all of its texts.
 */
export function filterLogs(
  reader: LogReader,
  needles: readonly Uint8Array[],
  mayTell: (texts: readonly string[]) => boolean = () => true,
): LogReader {
  let left: number = LIMITS.upstreamLogsPerCallMax
  return {
    get level() {
      return reader.level
    },
    tell(message) {
      if (left === 0 || !isAtLeast(message.level, reader.level)) return
      left--
      const told = maskedMessage(message, needles)
      if (told && mayTell([told.logger ?? '', ...textsIn(told.data)])) reader.tell(told)
    },
  }
}

/** Names and values alike, since all of the message but its level is masked as one text. Undefined where it is too large. */
function maskedMessage({ level, logger, data }: LogMessage, needles: readonly Uint8Array[]): LogMessage | undefined {
  const text = jsonText({ ...(logger === undefined ? {} : { logger }), data })
  if (text === undefined || text.length > LIMITS.upstreamLogCharsMax) return undefined
  const masked = maskText(text, needles)
  try {
    const said = parseJson(masked, LIMITS.inputDepthMax)
    if (isJsonObject(said) && said.data !== undefined)
      return { level, ...(typeof said.logger === 'string' ? { logger: said.logger } : {}), data: said.data }
  } catch {
    // Below: the mask went through the JSON itself (a secret that is a number), or the value is none that doors hand on.
  }
  return { level, data: masked }
}

function jsonText(value: object): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    // Nested deeper than the stack.
    return undefined
  }
}
