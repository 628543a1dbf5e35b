import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { People } from '../../../examples/acme/demo/people.ts'
import { signIn } from '../../../examples/acme/demo/sign-in.ts'
import { startOrganisation } from '../../../examples/acme/organisation.ts'
import { ask, findGateway } from '../../cli/control-plane.ts'
import { copyAcme } from '../acme-copy.ts'

/** Acme behind a gateway, with what a test of an agent needs at hand. */
export interface Bed {
  url: string
  /** A token as the agent itself gets one. */
  token(agent: string): Promise<string>
  /** A development token for a person. */
  personToken(person: string): Promise<string>
  /** Votes for the open hold of the operation whose arguments have `marker` in them, once there is one. */
  approve(operation: string, marker: string, person?: string): Promise<void>
  /** How many holds such calls ever had. */
  holds(operation: string, marker: string): Promise<number>
  /** How many requests with `marker` in them reached the system as this operation, however they ended there. */
  sent(operation: string, marker: string): number
  close(): Promise<void>
}

export interface BedOptions {
  /** How long the MCP door waits for people; as long as it ever does where absent. */
  mcpHoldWaitMs?: number
  /** PostgreSQL instead of the embedded database. */
  databaseUrl?: string | undefined
}

const POLL_MS = 25
const PATIENCE_MS = 15_000

/** Starts the organisation in a fresh folder on free ports. */
export async function openBed({ mcpHoldWaitMs, databaseUrl }: BedOptions = {}): Promise<Bed> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-frameworks-'))
  const { acme, gateway, close } = await startOrganisation({
    dataDir,
    configFile: join(copyAcme(join(dataDir, 'copy')), 'gatehouse.yaml'),
    host: '127.0.0.1',
    port: 0,
    environment: { DATABASE_URL: databaseUrl },
    logStream: { write: () => undefined },
    ...(mcpHoldWaitMs === undefined ? {} : { mcpHoldWaitMs }),
  })
  const mint = async (person: string): Promise<string> => {
    const { token } = await ask(findGateway({ data: dataDir }), 'mutation ($person: String!) { token: userToken(person: $person) }', {
      person,
    })
    return String(token)
  }
  const people = new People(gateway.url, mint)
  const journals = [acme.systems.crm.journal, acme.systems.erp.journal]
  return {
    url: gateway.url,
    async token(agent) {
      const key = acme.keys[agent]
      const signedIn = key ? await signIn(gateway.url, agent, key) : { refused: 'it has no key' }
      if ('refused' in signedIn) throw new Error(`\`${agent}\` cannot sign in: ${signedIn.refused}`)
      return signedIn.token
    },
    personToken: mint,
    async approve(operation, marker, person = 'maria') {
      for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, POLL_MS))) {
        const hold = (await holdsOf(people, operation, marker)).find(({ state }) => state === 'open')
        if (!hold) continue
        await people.ask(person, 'mutation ($id: ID!) { approveHold(id: $id, comment: "checked") { state } }', { id: hold.id })
        return
      }
      throw new Error(`no call of \`${operation}\` with \`${marker}\` was held`)
    },
    holds: async (operation, marker) => (await holdsOf(people, operation, marker)).length,
    sent: (operation, marker) =>
      journals.flatMap((journal) => journal.entries({ operation })).filter(({ path, body }) => `${path} ${body}`.includes(marker)).length,
    async close() {
      await close()
      rmSync(dataDir, { recursive: true })
    },
  }
}

interface SeenHold {
  id: string
  state: string
  operation: string
  inputText: string
}

/** As security sees them: whole arguments, whoever is asked to approve. */
async function holdsOf(people: People, operation: string, marker: string): Promise<readonly SeenHold[]> {
  const { holds } = await people.ask('aisha', '{ holds(first: 100) { edges { node { id state operation inputText } } } }')
  const { edges } = holds as { edges: readonly { node: SeenHold }[] }
  return edges.map(({ node }) => node).filter((hold) => hold.operation === operation && hold.inputText.includes(marker))
}
