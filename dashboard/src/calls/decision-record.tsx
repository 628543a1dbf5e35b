import { ArgumentsView } from '../inbox/arguments-view.tsx'
import { texts } from '../texts.ts'
import { VisibleText } from '../ui/visible-text.tsx'
import type { AttachedRecord } from './calls-data.ts'

/** What the agent attached to its call: the outcome of its playbook, and what it says of its way there. */
export function DecisionRecord({ attached, level }: { attached: AttachedRecord; level: 'h3' | 'h4' }) {
  const { playbook, version, outcome, checked, record, schema } = attached
  const Heading = level
  return (
    <div className="block">
      <Heading>
        {texts.attached.title} <span className="chip chip-warn">{texts.hold.unverified}</span>{' '}
        <span className="chip">{checked ? texts.attached.checked : texts.attached.unchecked}</span>
      </Heading>
      <p className="quiet">{checked ? texts.attached.checkedWhy : texts.attached.uncheckedWhy}</p>
      <dl className="fields">
        <div>
          <dt>{texts.attached.playbook}</dt>
          <dd>
            <VisibleText text={playbook} />{' '}
            <span className="quiet">
              <VisibleText text={texts.attached.version(version)} />
            </span>
          </dd>
        </div>
        <div>
          <dt>{texts.attached.outcome}</dt>
          <dd>
            <strong>
              <VisibleText text={outcome} />
            </strong>
          </dd>
        </div>
        <div>
          <dt>{texts.attached.record}</dt>
          <dd>
            {record === null ? (
              <span className="quiet">{texts.attached.noRecord}</span>
            ) : (
              <ArgumentsView value={record} schema={undefined} />
            )}
          </dd>
        </div>
        {schema !== null && (
          <div>
            <dt>{texts.attached.schema}</dt>
            <dd>
              <code>{schema}</code>
            </dd>
          </div>
        )}
      </dl>
    </div>
  )
}
