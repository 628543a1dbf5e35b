import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../gateway.ts'
import { hasRole, type Me, mayChange, useMe } from '../me.ts'
import { texts } from '../texts.ts'
import { announce } from '../ui/announcer.ts'
import { Confirm } from '../ui/confirm.tsx'
import { ACTIVATE, type AgentData, REINSTATE, RETIRE, SUSPEND } from './agents-data.ts'

type Step = 'activate' | 'suspend' | 'reinstate' | 'retire'

/** Why this person does not let an agent in; null where they may. The gateway decides by the same rules. */
function whyNotActivate({ owner, registeredBy }: AgentData, me: Me): string | null {
  if (!hasRole(me, 'security')) return texts.agents.activation.security
  if (me.name === registeredBy) return texts.agents.activation.registrant
  return me.name === owner ? texts.agents.activation.owner : null
}

/** The steps that this person may take from where the agent stands; the one that stops it apart from the others. */
export function AgentActions({ agent, waiting, more }: { agent: AgentData; waiting: number; more: boolean }) {
  const me = useMe()
  const [asking, setAsking] = useState<Step>()
  const [done, setDone] = useState<string>()
  const client = useQueryClient()
  const run = async (step: Step, reason: string | null): Promise<void> => {
    const said = await take(step, agent.name, reason, texts.agents.counted(waiting, more))
    setDone(said)
    announce(said)
    await client.invalidateQueries({ queryKey: ['agents'] })
  }
  if (!me) return null
  const acts = mayChange(me) && hasRole(me, 'operator', 'security')
  const { status } = agent
  const why = whyNotActivate(agent, me)
  return (
    <>
      {done !== undefined && (
        <p className="notice agent-done" role="status">
          {done}
        </p>
      )}
      {status === 'proposed' && (
        <section className="block agent-box">
          <h2>{texts.agents.activation.title}</h2>
          <p>{acts ? (why ?? texts.agents.activation.yours) : texts.agents.activation.waits}</p>
          {acts && why === null && <StepButton step="activate" tone="button-good" onAsk={setAsking} />}
        </section>
      )}
      {status === 'suspended' && (
        <section className="block agent-box">
          <h2>{texts.agents.stopped.title}</h2>
          <p>{texts.agents.stopped.why}</p>
          {acts && <StepButton step="reinstate" onAsk={setAsking} />}
        </section>
      )}
      {status === 'retired' && <p className="agent-box quiet">{texts.agents.retired}</p>}
      {acts && status === 'active' && (
        <section className="block agent-box agent-kill" aria-labelledby="kill-switch">
          <h2 id="kill-switch">{texts.agents.kill.title}</h2>
          <p>{texts.agents.kill.why}</p>
          <StepButton step="suspend" tone="agent-stop" onAsk={setAsking} />
        </section>
      )}
      {acts && status !== 'retired' && (
        <details className="agent-end">
          <summary>{texts.agents.end.title}</summary>
          <p>{texts.agents.end.why}</p>
          <StepButton step="retire" tone="button-bad" onAsk={setAsking} />
        </details>
      )}
      {asking !== undefined && (
        <Confirm
          title={texts.agents.steps[asking].title(agent.name)}
          action={texts.agents.steps[asking].action}
          reason={texts.agents.reason}
          needsReason={asking === 'suspend' || asking === 'retire'}
          danger={asking === 'suspend' || asking === 'retire'}
          run={(reason) => run(asking, reason)}
          onClose={() => setAsking(undefined)}
        >
          <p>{texts.agents.steps[asking].what}</p>
        </Confirm>
      )}
    </>
  )
}

const StepButton = ({ step, tone = '', onAsk }: { step: Step; tone?: string; onAsk: (step: Step) => void }) => (
  <button type="button" className={`button ${tone}`} onClick={() => onAsk(step)}>
    {texts.agents.steps[step].action}
  </button>
)

/** Takes the step and says what came of it. */
async function take(step: Step, name: string, reason: string | null, waiting: string): Promise<string> {
  if (step === 'activate') {
    await ask(ACTIVATE, { name, reason })
    return texts.agents.done.activate
  }
  if (step === 'reinstate') {
    await ask(REINSTATE, { name, reason })
    return texts.agents.done.reinstate
  }
  if (step === 'suspend') {
    const { suspendAgent } = await ask(SUSPEND, { name, reason })
    return texts.agents.done.suspend(suspendAgent.effectiveAfterMs, waiting)
  }
  const { retireAgent } = await ask(RETIRE, { name, reason: reason ?? '' })
  return texts.agents.done.retire(retireAgent.cancelledHolds)
}
