import { texts } from '../texts.ts'

const TONE: Readonly<Record<string, string>> = {
  held: 'chip chip-warn',
  in_doubt: 'chip chip-bad',
  denied: 'chip chip-bad',
  failed: 'chip chip-bad',
  rejected: 'chip chip-bad',
  completed: 'chip chip-strong',
}

/** The state of a call in words; colour says it a second time. */
export const StateChip = ({ state }: { state: string }) => <span className={TONE[state] ?? 'chip'}>{texts.callStates[state] ?? state}</span>
