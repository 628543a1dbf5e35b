import { texts } from '../texts.ts'
import type { AgentStatus } from './agents-data.ts'

const TONE: Readonly<Record<AgentStatus, string>> = {
  active: 'chip chip-strong',
  proposed: 'chip chip-warn',
  suspended: 'chip chip-bad',
  retired: 'chip',
}

/** Where an agent stands in its life, in words; colour says it a second time. */
export const StatusChip = ({ status }: { status: AgentStatus }) => <span className={TONE[status]}>{texts.agents.statuses[status]}</span>
