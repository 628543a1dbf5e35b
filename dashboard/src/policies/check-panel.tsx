import { texts } from '../texts.ts'
import { ScrollRegion } from '../ui/scroll-region.tsx'
import { VisibleText } from '../ui/visible-text.tsx'
import { Answered, type Asking } from './asking.tsx'
import type { Check } from './policies-data.ts'
import { Ids } from './said.tsx'

const words = texts.policies.check

/** `file:line:column`; without numbers it stands at the beginning. */
export function placeOf(place: string): { file: string; line: number; column: number } {
  const [, file = place, line = '1', column = '1'] = /^(.*?):(\d+)(?::(\d+))?$/.exec(place) ?? []
  return { file, line: Number(line), column: Number(column) }
}

/** Faults, remarks, tests and what they cover. `go` leads to a place in the draft. */
export function CheckPanel({ asking, go }: { asking: Asking<Check>; go?: (place: string) => void }) {
  return (
    <Answered asking={asking} idle={words.idle}>
      {(check) =>
        check.faults.length > 0 ? (
          <section className="block">
            <p className="notice notice-bad" role="alert">
              {words.faulty(check.faults.length)}
            </p>
            <Places
              items={check.faults.map((fault) => ({ ...fault, severity: 'error', key: `${fault.place} ${fault.message}` }))}
              go={go}
            />
          </section>
        ) : (
          <Sound check={check} go={go} />
        )
      }
    </Answered>
  )
}

type Go = ((place: string) => void) | undefined

function Sound({ check, go }: { check: Check; go: Go }) {
  return (
    <>
      <p className={check.failed > 0 ? 'notice notice-bad' : 'notice notice-good'} role="status">
        {words.sound(check.policies, check.passed, check.failed)}
      </p>
      {check.findings.length > 0 && (
        <section className="block">
          <h3>{words.remarks(check.findings.length)}</h3>
          <Places items={check.findings.map((finding) => ({ ...finding, key: `${finding.place} ${finding.rule}` }))} go={go} />
        </section>
      )}
      <Tests check={check} />
      <Coverage check={check} go={go} />
    </>
  )
}

function Places({ items, go }: { items: readonly { key: string; place: string; severity: string; message: string }[]; go: Go }) {
  return (
    <ul className="fault-list">
      {items.map(({ key, place, severity, message }) => (
        <li key={key}>
          <span className={severity === 'error' ? 'chip chip-bad' : 'chip chip-warn'}>{words.severity[severity] ?? severity}</span>
          {go ? (
            <button type="button" className="link mono" onClick={() => go(place)}>
              {place}
            </button>
          ) : (
            <code>{place}</code>
          )}
          <span>
            <VisibleText text={message} />
          </span>
        </li>
      ))}
    </ul>
  )
}

function Tests({ check }: { check: Check }) {
  if (check.tests.length === 0) return <p className="quiet">{words.noTests}</p>
  // Names may be there twice; the list never changes its order.
  const rows = check.tests.map((test, at) => ({ key: `${at} ${test.name}`, test }))
  const effect = (word: string | null): string => (word === null ? '–' : (texts.policies.effects[word] ?? word))
  return (
    <details className="block" open={check.failed > 0}>
      <summary>{words.tests(check.passed, check.failed)}</summary>
      <ScrollRegion label={words.testsTitle}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{words.test}</th>
              <th scope="col">{words.expected}</th>
              <th scope="col">{words.got}</th>
              <th scope="col">{words.result}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ key, test }) => (
              <tr key={key}>
                <td>
                  <VisibleText text={test.name} />
                  <br />
                  <span className="quiet mono">{test.file}</span>
                </td>
                <td>{effect(test.expected)}</td>
                <td>
                  {effect(test.got)}
                  {test.by.length > 0 && (
                    <>
                      <br />
                      <span className="quiet">
                        <Ids ids={test.by} />
                      </span>
                    </>
                  )}
                </td>
                <td>
                  {test.failure === null ? (
                    <span className="chip chip-good">{words.passed}</span>
                  ) : (
                    <>
                      <span className="chip chip-bad">{words.failed}</span> <VisibleText text={test.failure} />
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </details>
  )
}

function Coverage({ check, go }: { check: Check; go: Go }) {
  const open = check.coverage.filter(({ decided }) => decided === 0)
  const share = check.coverage.length === 0 ? 100 : Math.floor(((check.coverage.length - open.length) * 100) / check.coverage.length)
  return (
    <details className="block" open={false}>
      <summary>{words.coverage(share, open.length)}</summary>
      {open.length > 0 && (
        <ul className="fault-list">
          {open.map(({ policy, file, line, near }) => (
            <li key={policy}>
              <code>{policy}</code>
              {go ? (
                <button type="button" className="link mono" onClick={() => go(`${file}:${line}`)}>
                  {file}:{line}
                </button>
              ) : (
                <code>
                  {file}:{line}
                </code>
              )}
              <span className="quiet">{near > 0 ? words.near(near) : words.untested}</span>
            </li>
          ))}
        </ul>
      )}
      {check.untouched.length > 0 && (
        <p>
          {words.untouched} <Ids ids={check.untouched.slice(0, 100)} />
        </p>
      )}
    </details>
  )
}
