import type { Finding } from '../../../gateway/ports/policy-drafts.ts'
import { isLibraryFile } from '../../../gateway/ports/policy-source.ts'
import { canApply } from '../slice.ts'
import { type Examined, listed } from './finding.ts'

/** Policies about no operation, and operations that no permit of use reaches: nobody may call them. `useless` are permits that match nobody. */
export function unreached({ compiled, organisation }: Examined, useless: ReadonlySet<string>): Finding[] {
  const idle = compiled.policies.filter((policy) => !policy.classes && !compiled.operations.some((one) => canApply(policy, one)))
  const closed = compiled.operations.filter(
    ({ id }) => !compiled.sliceOf.get(id)?.policies.some((policy) => policy.effect === 'permit' && !useless.has(policy.id)),
  )
  const connectors = [...new Set(closed.map(({ connector }) => connector))]
  return [
    ...idle.map((policy): Finding => {
      const message = 'no operation is in its scope: name operations that a connector includes, or remove the policy'
      return { place: policy.place(0), severity: 'warning', rule: 'no-operation', policy: policy.id, message }
    }),
    ...connectors.map((connector): Finding => {
      const names = closed.filter((operation) => operation.connector === connector).map(({ id }) => id)
      const message = `no permit lets anybody call ${listed(names)}: write one, or exclude ${names.length > 1 ? 'them' : 'it'} from the connector`
      const place = organisation.connectors.get(connector) ?? connector
      return { place, severity: 'warning', rule: 'unreachable-operation', policy: null, message }
    }),
  ]
}

/** Permits that no test ends in. */
export function untested({ compiled, coverage }: Examined): Finding[] {
  if (!coverage) return []
  // A rule of the library is tested with the library.
  const [first] = compiled.policies
    .filter(({ file: path, connector, text }) => !isLibraryFile({ path, connector, text }))
    .sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
  if (first && [...coverage.values()].every(({ decided, near }) => decided + near === 0)) {
    const message = 'no policy test asks about any policy: add tests to the folder `tests` beside the policies'
    return [{ place: first.place(0), severity: 'warning', rule: 'untested-permit', policy: null, message }]
  }
  const permits = compiled.policies.filter(({ id, effect, shadow }) => effect === 'permit' && !shadow && coverage.get(id)?.decided === 0)
  return permits.map((policy) => ({
    place: policy.place(0),
    severity: 'warning',
    rule: 'untested-permit',
    policy: policy.id,
    message: 'no policy test is permitted by it: add one that is, and one that just is not',
  }))
}
