import { parentPort, workerData } from 'node:worker_threads'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { JobOrder, JobReport } from './workshop.ts'
import { JOBS, type Jobs } from './workshop-jobs.ts'

/** The body of a workshop's thread: one job, one report, and the thread ends. */
async function report({ name, input }: JobOrder): Promise<JobReport> {
  try {
    const job: (input: never) => unknown = JOBS[name as keyof Jobs]
    return { value: await job(input as never) }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return { refused: { code: error.code, message: error.message, faults: error.faults } }
  }
}

parentPort?.postMessage(await report(workerData))
