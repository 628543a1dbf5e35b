import type { AgentKey } from './agent-keys.ts'
import { Agent } from './demo/agent.ts'
import { type OpenHold, People } from './demo/people.ts'
import { documents, largePayment, smallPayments, supportDesk, trap } from './demo/scenes.ts'
import { signIn } from './demo/sign-in.ts'
import { Story, type Told } from './demo/story.ts'

export interface DemoOptions {
  /** The gateway's address, without a slash at the end. */
  url: string
  /** The script votes for the people; otherwise it waits for them and prints how. */
  auto: boolean
  /** A development token for a person, as `gatehouse token user` prints it. */
  mintPersonToken: (name: string) => Promise<string>
  /** Private keys by agent (`startAcme().keys`). */
  agentKeys: Readonly<Record<string, AgentKey>>
  /** Data directory of the gateway, for the printed commands; `.gatehouse` where absent. */
  dataDir?: string
  /** The gateway ends with the demo, so what is printed to look at must say so. */
  passing?: boolean
  /** One line of output; standard output where absent. */
  print?: (line: string) => void
  /** How long each hold waits for people without `auto`, in milliseconds; ten minutes where absent. */
  patienceMs?: number
}

export interface DemoResult {
  /** Every call of the day with its trace. */
  calls: readonly Told[]
}

const WORKING = ['support-triage', 'invoice-clerk', 'onboarding-coordinator', 'shop-floor-watcher'] as const
type Working = (typeof WORKING)[number]

/**
 * Plays a day at Acme through a running gateway: tokens as agents get them, permits, denials, holds, a replayed key and a suspended agent at all
 * three doors, and where to look afterwards. Throws Error where an agent of the day cannot sign in; refusals of the gateway are part of the story.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { url, auto, agentKeys, print = (line) => console.log(line), patienceMs = 600_000 } = options
  const people = new People(url, options.mintPersonToken)
  const tokenFor = (person: string): string =>
    `npm run -s gatehouse --${options.dataDir ? ` --data ${options.dataDir}` : ''} token user ${person}`
  const howToVote = (person: string, hold: OpenHold): void => printVote(print, url, tokenFor(person), person, hold)
  const story = new Story({ print, people, auto, howToVote, patienceMs })
  const since = new Date().toISOString()
  print(`A day at Acme Components, through the gateway at ${url}`)
  const agents = await arrive(story, url, agentKeys)
  try {
    await supportDesk(story, agents['support-triage'])
    await trap(story, agents['support-triage'], agents['invoice-clerk'])
    await smallPayments(story, agents['invoice-clerk'])
    await largePayment(story, agents['invoice-clerk'])
    await documents(story, agents['onboarding-coordinator'], agents['shop-floor-watcher'])
    await whereToLook(story, people, url, since, print)
    if (options.passing)
      print('  This gateway ends with the demo. To look around afterwards: npm start, and npm run demo in another terminal.')
    else print(`  A token for lee: ${tokenFor('lee')}. Metrics: ${url}/metrics.`)
  } finally {
    await Promise.allSettled(Object.values(agents).map((agent) => agent.close()))
  }
  return { calls: story.told }
}

async function arrive(story: Story, url: string, keys: DemoOptions['agentKeys']): Promise<Record<Working, Agent>> {
  story.chapter('Signing in (private_key_jwt at the token endpoint)')
  const enter = async (name: string): Promise<Agent | undefined> => {
    const key = keys[name]
    if (!key) throw new Error(`no key for agent \`${name}\`: the demo needs the data directory of the gateway it speaks to`)
    const signedIn = await signIn(url, name, key)
    if ('token' in signedIn) story.line('token', name)
    else story.line('refused', `${name}: ${signedIn.refused}`)
    return 'token' in signedIn ? new Agent(url, name, signedIn.token) : undefined
  }
  const present = async (name: Working): Promise<[Working, Agent]> => {
    const agent = await enter(name)
    if (!agent) throw new Error(`agent \`${name}\` could not sign in at ${url}`)
    return [name, agent]
  }
  const entered: [Working, Agent][] = []
  for (const name of WORKING) entered.push(await present(name))
  await enter('intern-bot')
  story.line('', 'intern-bot is suspended; the answer does not say so to a stranger')
  return Object.fromEntries(entered) as Record<Working, Agent>
}

function printVote(print: (line: string) => void, url: string, token: string, person: string, hold: OpenHold): void {
  print(`           waits for ${hold.group} until ${hold.expiresAt}. Approve it as ${person} from another terminal:`)
  print(`           curl -s ${url}/operator/graphql -H 'content-type: application/json' \\`)
  print(`             -H "authorization: Bearer $(${token})" \\`)
  print(`             -d '{"query":"mutation { approveHold(id: \\"${hold.id}\\") { state } }"}'`)
}

/** What an auditor would ask; also asked here, so that the printed query is one that works. */
async function whereToLook(story: Story, people: People, url: string, since: string, print: (line: string) => void): Promise<void> {
  story.chapter('Where to look')
  const query = `{ calls(first: 50, filter: { since: "${since}" }) { edges { node { id door agent operation state decision { outcome reasons { policyId } } outcome { kind } } } } }`
  const { calls } = await people.ask('lee', query)
  const { edges = [] } = calls as { edges?: readonly unknown[] }
  print(`  The record holds ${edges.length} calls of this day. As lee, the auditor, at ${url}/operator/graphql:`)
  print(`    ${query}`)
  print('  Calls and their traces:')
  for (const { callId, traceId, what } of story.told) print(`    ${callId}  ${traceId ?? '-'.repeat(32)}  ${what}`)
}
