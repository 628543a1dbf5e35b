import { texts } from '../texts.ts'
import { spanOf } from '../words.ts'
import type { HoldContext } from './inbox-data.ts'

type Figures = HoldContext['figures'][number]

/** A rate in per cent, rounded up: a bound that is told never is lower than it is. */
const percent = (rate: number): string => `${(Math.ceil(rate * 1_000) / 10).toFixed(1)} %`

/** How people decided by a rule, what that allows to say, and what weakens it. */
export function RuleFigures({ figures }: { figures: Figures }) {
  const { decided, approved, refused, edited, expired, days, cut, medianMs, p95Ms, refusalsAtMost } = figures
  if (decided === 0)
    return (
      <p className="figures quiet">
        {texts.figures.none(days)} {expired > 0 && texts.figures.expired(expired)}
      </p>
    )
  const weak = [
    figures.quickVotes > 0 && texts.figures.quick(figures.quickVotes, figures.votes),
    figures.unseenVotes > 0 && texts.figures.unseen(figures.unseenVotes),
  ].filter((words) => words !== false)
  return (
    <div className="figures">
      <p>
        <strong>{texts.figures.approved(approved, decided, days, cut)}</strong>
        {(refused > 0 || edited > 0) && ` ${texts.figures.against(refused, edited)}`} {texts.figures.bound(percent(refusalsAtMost))}
      </p>
      <p className="quiet">
        {medianMs !== null && p95Ms !== null && texts.figures.times(spanOf(medianMs), spanOf(p95Ms))}{' '}
        {expired > 0 && texts.figures.expired(expired)}
      </p>
      {weak.length > 0 && <p className="figures-weak">{weak.join(' ')}</p>}
    </div>
  )
}
