export interface Requirement {
  group: string
  count: number
  /** Groups whose members may fill these seats as well, since the hold escalated. */
  standIns?: readonly string[]
}

/** What happens where nobody has decided `afterMs` milliseconds after the hold was opened. One of `to` and `notify` at least. */
export interface Escalation {
  afterMs: number
  /** A group whose members may fill the same seats from then on; null where it only notifies. */
  to: string | null
  /** Groups that are told. */
  notify: readonly string[]
}

/** An escalation as it stands in a hold. */
export interface EscalationStep extends Escalation {
  /** Groups whose seats members of `to` may fill from then on. */
  seats: readonly string[]
}

/**
 * The steps of several definitions by time, up to the hold's expiry. A definition opens its own seats only: a group that another definition asks for as well
 * stays closed to `to` until that one escalates to the same group, or for good where it does not.
 */
export function combineEscalations(
  definitions: readonly { requires: readonly Requirement[]; escalate: readonly Escalation[] }[],
  expiresMs: number,
): readonly EscalationStep[] {
  const opensAtMs = (group: string, to: string): number =>
    Math.max(
      ...definitions
        .filter(({ requires }) => requires.some((one) => one.group === group))
        .map(({ escalate }) => Math.min(...escalate.filter((step) => step.to === to).map(({ afterMs }) => afterMs))),
    )
  return definitions
    .flatMap(({ requires, escalate }) =>
      escalate.map((step) => {
        const { to, afterMs } = step
        return { ...step, seats: to === null ? [] : requires.map(({ group }) => group).filter((group) => opensAtMs(group, to) === afterMs) }
      }),
    )
    .filter(({ afterMs }) => afterMs < expiresMs)
    .sort((a, b) => a.afterMs - b.afterMs)
}

/** What is asked for once these steps have happened. */
export const afterSteps = (requires: readonly Requirement[], steps: readonly EscalationStep[]): readonly Requirement[] =>
  requires.map((requirement) => {
    const standIns = steps.flatMap(({ to, seats }) => (to !== null && seats.includes(requirement.group) ? [to] : []))
    const all = [...new Set([...(requirement.standIns ?? []), ...standIns])].sort()
    return all.length === 0 ? requirement : { ...requirement, standIns: all }
  })
