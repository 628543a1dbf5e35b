import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../limits.ts'
import { type Bed, startBed } from '../harness.ts'
import { fields } from '../send.ts'

let bed: Bed
let agent: string
beforeAll(async () => {
  bed = await startBed()
  agent = await bed.agentToken('invoice-clerk')
}, 120_000)
afterAll(() => bed?.close())

const INBOX = 'subscription { inboxChanged }'

async function ask(person: string, query: string, accept = 'text/event-stream', signal?: AbortSignal): Promise<Response> {
  return await fetch(`${bed.url}/operator/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await bed.personToken(person)}`, 'content-type': 'application/json', accept },
    body: JSON.stringify({ query }),
    ...(signal && { signal }),
  })
}

/** A stream that is read event by event. */
class Listener {
  readonly #ending = new AbortController()
  #reader: ReadableStreamDefaultReader<string> | undefined
  #rest = ''

  static async open(person: string, query: string): Promise<Listener> {
    const listener = new Listener()
    const response = await ask(person, query, 'text/event-stream', listener.#ending.signal)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    listener.#reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    return listener
  }

  /** The next event that is no heartbeat. */
  async next(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf('\n\n')
      if (end >= 0) {
        const event = this.#rest.slice(0, end)
        this.#rest = this.#rest.slice(end + 2)
        if (event !== ':') return event
        continue
      }
      const { done, value } = (await this.#reader?.read()) ?? { done: true, value: '' }
      if (done) return 'the end'
      this.#rest += value
    }
  }

  close(): void {
    this.#ending.abort()
  }
}

async function pay(reference: string): Promise<string> {
  const headers = { authorization: `Bearer ${agent}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ vendorId: 'V-1001', amount: 2_000, currency: 'EUR', reference })
  return String(fields(await (await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })).json()).callId)
}

describe('live changes', () => {
  test('of the inbox: at once, when a call is held, and nothing for who is not asked', async () => {
    const maria = await Listener.open('maria', INBOX)
    const sam = await Listener.open('sam', INBOX)
    for (const listener of [maria, sam])
      expect(await listener.next()).toMatch(/^event: next\ndata: \{"data":\{"inboxChanged":"\d{4}-.+Z"\}\}$/)
    const heard: string[] = []
    const samHears = sam.next().then((event) => heard.push(event))
    await pay('live 1')
    expect(await maria.next()).toContain('inboxChanged')
    expect(heard).toEqual([])
    maria.close()
    sam.close()
    await samHears.catch(() => undefined)
  })

  test('of a call, for who may see it', async () => {
    const id = await pay('live 2')
    const query = `subscription { callChanged(id: "${id}") }`
    const raj = await Listener.open('raj', query)
    expect(await raj.next()).toContain('callChanged')
    const { call } = await bed.people('aisha', `{ call(id: "${id}") { hold { id } } }`)
    const hold = String(fields(fields(call).hold).id)
    await bed.people('maria', `mutation { rejectHold(id: "${hold}") { id } }`)
    expect(await raj.next()).toContain('callChanged')
    raj.close()
    const sam = await Listener.open('sam', query)
    expect(await sam.next()).toContain('NOT_FOUND')
    expect(await sam.next()).toBe('event: complete\ndata:')
    sam.close()
  })

  test.each([
    ['a subscription as JSON', INBOX, 'application/json', 406],
    ['a query as events', '{ me { name } }', 'text/event-stream', 406],
    ['a subscription of nothing', 'subscription { nothing }', 'text/event-stream', 400],
  ])('%s is refused', async (_title, query, accept, status) => {
    expect((await ask('maria', query, accept)).status).toBe(status)
  })

  test('are bounded for each person', async () => {
    const open = await Promise.all(Array.from({ length: LIMITS.streamsPerPersonMax }, () => Listener.open('noor', INBOX)))
    const refused = await ask('noor', INBOX)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('30')
    expect(await refused.text()).toContain('LIMITED')
    for (const listener of open) listener.close()
  })

  test('end with the gateway, without holding it up', async () => {
    const maria = await Listener.open('maria', INBOX)
    await maria.next()
    await bed.close()
    for (let event = ''; event !== 'event: complete\ndata:'; event = await maria.next()) expect(event).not.toBe('the end')
  })
})
