import { texts } from '../texts.ts'
import { EscapedText } from '../ui/visible-text.tsx'
import type { StandingOfHold } from './grants-data.ts'
import { shownPointer } from './leaves.ts'

/** What may stand at each argument. */
export const GrantTerms = ({ terms }: { terms: StandingOfHold['arguments'] }) => (
  <dl className="grant-terms">
    {terms.map(({ pointer, kind, values }) => (
      <div key={pointer}>
        <dt>{shownPointer(pointer)}</dt>
        <dd>
          {texts.grants.carried.kinds[kind]}{' '}
          {values === null ? <span className="quiet">{texts.hold.hidden}</span> : <EscapedText text={values.join(', ')} />}
        </dd>
      </div>
    ))}
  </dl>
)
