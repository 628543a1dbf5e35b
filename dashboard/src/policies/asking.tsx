import { type UseMutationResult, useMutation } from '@tanstack/react-query'
import { type ReactNode, useEffect, useRef } from 'react'
import { GatewayProblem } from '../gateway.ts'
import { texts } from '../texts.ts'
import { Problem } from '../ui/problem.tsx'
import { Skeleton } from '../ui/skeleton.tsx'

/** A question about texts that takes a while. `of` names what it was asked about, so that an answer about older texts says so. */
export interface Asking<T> {
  run: () => void
  running: boolean
  answer: T | undefined
  error: unknown
  /** The answer is about older texts. */
  old: boolean
}

/** Asks when told to, or at once where `eager`. */
export function useAsking<T>(of: string, eager: boolean, fetch: () => Promise<T>): Asking<T> {
  const asked: UseMutationResult<T, Error, string> = useMutation({ mutationFn: (_of: string) => fetch() })
  const { mutate } = asked
  const first = useRef(eager)
  useEffect(() => {
    if (!first.current) return
    first.current = false
    mutate(of)
  }, [mutate, of])
  return {
    run: () => mutate(of),
    running: asked.isPending,
    answer: asked.data,
    error: asked.error,
    old: asked.data !== undefined && asked.variables !== of,
  }
}

/** Asks the question; says so while it is under way. */
export const Run = <T,>({ asking, words }: { asking: Asking<T>; words: string }) => (
  <button type="button" className="button run" onClick={asking.run} disabled={asking.running}>
    {asking.running ? texts.policies.working : words}
  </button>
)

/** The answer to a question, or what stands in its place. */
export function Answered<T>({ asking, idle, children }: { asking: Asking<T>; idle: ReactNode; children: (answer: T) => ReactNode }) {
  if (asking.running) return <Skeleton lines={6} />
  if (asking.error) return <Refusal error={asking.error} again={asking.run} />
  if (asking.answer === undefined) return <p className="quiet">{idle}</p>
  return (
    <>
      {asking.old && <p className="notice notice-warn">{texts.policies.old}</p>}
      {children(asking.answer)}
    </>
  )
}

/** What was refused, with every place of a fault. */
export function Refusal({ error, again }: { error: unknown; again?: () => void }) {
  const faults = error instanceof GatewayProblem ? error.faults : []
  return (
    <>
      <Problem error={error} title={texts.problem.notDone} {...(again && { again })} />
      {faults.length > 0 && (
        <ul className="fault-list">
          {faults.map(({ pointer, detail }) => (
            <li key={`${pointer} ${detail}`}>
              <code>{pointer}</code> {detail}
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
