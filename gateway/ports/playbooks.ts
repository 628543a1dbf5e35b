import type { DecisionRecord } from '../core/call.ts'
import type { Playbook, Playbooks } from '../core/playbook.ts'

/** A playbook as it is configured. `place`: `file:line:column` of what its file says there. */
export interface PlaybookSource extends Playbook {
  place(keys: readonly PropertyKey[]): string
}

/** The playbooks of an organisation, and what their decision records have to be. */
export interface PlaybookRules {
  readonly playbooks: Playbooks
  /**
   * What an agent attached, and whether it is as its playbook asks. Throws BAD_INPUT, with pointers below `/decisionRecord`, where a playbook of that name
   * is configured and version, outcome or record do not fit it. The attached record is left as it is.
   */
  check(attached: DecisionRecord): DecisionRecord
}
