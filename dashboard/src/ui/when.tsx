import { texts } from '../texts.ts'
import { moment, spanOf, useNow } from '../words.ts'

/** A moment in full. */
export const When = ({ at }: { at: string }) => <time dateTime={at}>{moment(at)}</time>

/** A moment by how long ago it was; in full where one points at it. */
export function Ago({ at }: { at: string }) {
  const now = useNow(30_000)
  return (
    <time dateTime={at} title={moment(at)}>
      {spanOf(now - Date.parse(at))} {texts.hold.ago}
    </time>
  )
}
