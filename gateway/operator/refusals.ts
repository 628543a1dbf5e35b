import type { ErrorCode } from '../core/errors.ts'
import type { OperatorDeps } from './deps.ts'

/** Writes a `refused` entry of the control plane. Where the record is away, the log says so and the refusal stands. */
export async function recordRefusal(deps: OperatorDeps, { code, message }: { code: ErrorCode; message: string }): Promise<void> {
  deps.count('refused', { door: 'operator', code })
  try {
    await deps.recorder.note(null, { kind: 'refused', door: 'operator', agent: null, asked: null, code, message, faults: [] })
  } catch (failure) {
    deps.log.error({ err: failure, code }, 'a refusal at the control plane could not be recorded')
  }
}
