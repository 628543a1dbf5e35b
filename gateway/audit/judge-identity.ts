import { type CallFact, type Fact, factsThat, type Found } from './call-facts.ts'

/** What a call is from its first decision to its end. Its owner and actors may be others when it goes on. */
const SAME = ['agent', 'subject', 'operation', 'operationVersion', 'door'] as const

/** Whether all that a call's entries say it is about is one thing, and its intent is what was decided. */
export function judgeIdentity(facts: readonly CallFact[]): Found[] {
  const decisions = factsThat(facts, 'decision')
  const [first, ...later] = decisions
  if (!first) return []
  return [
    ...later.flatMap((decision) =>
      others(SAME, decision, first).map((name): Found => [decision.index, `it was decided again for another ${name}`]),
    ),
    ...decisions
      .filter(({ agent, actors }) => !actors.includes(agent))
      .map(({ index }): Found => [index, 'its agent is none of its actors']),
    ...factsThat(facts, 'intent').flatMap((intent) => faultsOfIntent(intent, facts)),
    ...factsThat(facts, 'grant.opened').flatMap((grant) => faultsOfGrant(grant, first, facts)),
  ]
}

const others = <Name extends string>(
  names: readonly Name[],
  one: Readonly<Record<Name, unknown>>,
  other: Readonly<Record<Name, unknown>>,
): Name[] => names.filter((name) => one[name] !== other[name])

/** An intent binds to the policy set and the agent's epoch that its decision was made on: a held call's is the one made when it went on. */
function faultsOfIntent(intent: Fact<'intent'>, facts: readonly CallFact[]): Found[] {
  const { index, consumes } = intent
  const decided = factsThat(facts, 'decision').findLast(({ release }) => release === consumes)
  if (!decided) return consumes === null ? [] : [[index, `it was executed after hold \`${consumes}\` without being decided again`]]
  const found: Found[] = others(['policySet', 'agentEpoch'], intent, decided).map((name) => [
    index,
    `its intent is of another ${name === 'policySet' ? 'policy set' : 'epoch of the agent'} than its decision`,
  ])
  if (consumes === null) return found
  if (decided.effect === 'deny') found.push([index, `it was executed after hold \`${consumes}\`, though policy denied it then`])
  if (decided.process !== intent.process || decided.seq >= intent.seq)
    found.push([index, `it was not decided again before it was executed after hold \`${consumes}\``])
  return found
}

function faultsOfGrant(grant: Fact<'grant.opened'>, first: Fact<'decision'>, facts: readonly CallFact[]): Found[] {
  const { index, hold, givers } = grant
  const found: Found[] = others(['agent', 'subject', 'operation', 'operationVersion'], grant, first).map((name) => [
    index,
    `grant \`${grant.grant}\` was given for another ${name} than the call's`,
  ])
  if (!factsThat(facts, 'hold.changed').some((change) => change.hold === hold && change.to === 'approved'))
    found.push([index, `grant \`${grant.grant}\` was given with hold \`${hold}\`, which never became approved`])
  const votes = factsThat(facts, 'vote').filter((vote) => vote.hold === hold && vote.approves)
  for (const giver of givers)
    if (!votes.some(({ voter }) => voter === giver))
      found.push([index, `grant \`${grant.grant}\` names \`${giver}\`, who did not approve its hold`])
  return found
}
