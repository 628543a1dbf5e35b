import { Link } from '@tanstack/react-router'
import { texts } from '../texts.ts'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { When } from '../ui/when.tsx'
import type { Overview } from './overview-data.ts'

const words = texts.overview.givenUp

/** Who was to be told of something since `since` and was not. What a mail server or a webhook said is its own words. */
export function GivenUp({ notices, since }: { notices: Overview['givenUp']; since: string }) {
  const shown = notices.filter(({ at }) => Date.parse(at) >= Date.parse(since))
  if (shown.length === 0) return null
  const more = shown.length === notices.length && notices.length === NOTICES_MAX
  return (
    <section className="overview-box" aria-labelledby="overview-given-up">
      <h2 id="overview-given-up">
        {words.title}{' '}
        <span className="count">
          {shown.length}
          {more && '+'}
        </span>
      </h2>
      <p className="quiet">{words.why}</p>
      <ScrollRegion label={words.title}>
        <table className="table">
          <thead>
            <tr>
              {[words.who, words.about, words.channel, words.when, words.reason].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((notice) => (
              <Row key={`${notice.person} ${notice.channel} ${notice.about} ${notice.holdId} ${notice.at}`} notice={notice} />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </section>
  )
}

/** As many as are asked for. */
const NOTICES_MAX = 50

function Row({ notice: { person, about, channel, holdId, attempts, why, at } }: { notice: Overview['givenUp'][number] }) {
  const what = words.kinds[about] ?? about
  return (
    <tr>
      <th scope="row">{person}</th>
      <td>
        {holdId === null ? (
          what
        ) : (
          <Link to="/inbox/$holdId" params={{ holdId }}>
            {what}
          </Link>
        )}
      </td>
      <td>{channel}</td>
      <td>
        <When at={at} />
      </td>
      <td>
        <VisibleText text={why} /> <span className="quiet">{words.attempts(attempts)}</span>
      </td>
    </tr>
  )
}
