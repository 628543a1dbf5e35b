import { texts } from '../texts.ts'
import type { Health } from './connectors-data.ts'

const TONE: Readonly<Record<Health['state'], string>> = { healthy: 'chip chip-strong', failing: 'chip chip-bad', unknown: 'chip' }

/** How a system does, in words; colour says it a second time. */
export const HealthChip = ({ state }: Pick<Health, 'state'>) => <span className={TONE[state]}>{texts.connectors.health[state]}</span>
