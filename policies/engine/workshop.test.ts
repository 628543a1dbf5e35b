import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GatewayError } from '../../gateway/core/errors.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { createDecider } from './decider.ts'
import { acme, catalogueOf, operation, question, releasePayment, source } from './test-organisation.ts'
import { createWorkshop, type Workshop, type WorkshopOptions } from './workshop.ts'

const PERMIT = '@id("p") permit(principal, action, resource);'
const good = source({ erp: PERMIT })
const when = (condition: string) => source({ erp: `@id("f") forbid(principal, action, resource) when { ${condition} };` })
const many = (n: number, one: (i: number) => string): string => Array.from({ length: n }, (_, i) => one(i)).join('\n')

let workshop: Workshop
beforeEach(() => {
  workshop = createWorkshop()
})
afterEach(() => workshop.close())
const other = async (options: WorkshopOptions): Promise<Workshop> => {
  await workshop.close()
  workshop = createWorkshop(options)
  return workshop
}

/** How a job was refused, as `CODE message`, with the faults. */
async function refused(job: Promise<unknown>): Promise<string> {
  const error = await job.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(GatewayError)
  const { code, message, faults } = error as GatewayError
  return [`${code} ${message}`, ...faults.map((fault) => `${fault.pointer} ${fault.message}`)].join('\n')
}

describe('a job', () => {
  test('checks what a start would take, under the name that the decider gives it', async () => {
    expect(await workshop.run('check', { source: good })).toEqual({ policySet: createDecider(good).policySet, policies: 1 })
  })

  test('lists the faults of a set that a start would refuse', async () => {
    expect(await refused(workshop.run('check', { source: when('context.input.amuont == 1') }))).toMatch(
      /^CONFIG_INVALID faulty policies: .*\npolicies\/erp\.cedar:1:\d+ policy `f`: .*amuont/,
    )
  })

  test('runs policy tests', async () => {
    const files = [{ path: 'tests/erp.json', text: '[{"name": "one"}]' }]
    expect(await workshop.run('test', { source: good, files })).toMatchObject({
      passed: 0,
      failed: [{ file: 'tests/erp.json', name: 'one' }],
    })
  })

  test('waits for the one before it', async () => {
    const order: number[] = []
    await Promise.all([0, 1, 2].map((i) => workshop.run('check', { source: good }).then(() => order.push(i))))
    expect(order).toEqual([0, 1, 2])
  })

  test('that cannot be told to a thread fails alone', async () => {
    const odd = { source: { ...good, people: [(() => {}) as never] } }
    await expect(workshop.run('check', odd)).rejects.toThrow(/could not be cloned/)
    expect(await workshop.run('check', { source: good })).toMatchObject({ policies: 1 })
  })

  test('is refused where too many wait', async () => {
    const jobs = Array.from({ length: LIMITS.workshopQueueJobsMax + 1 }, () => workshop.run('check', { source: good }).catch(() => {}))
    expect(await refused(workshop.run('check', { source: good }))).toMatch(/^LIMITED too many policy jobs wait/)
    await workshop.close()
    await Promise.all(jobs)
  })

  test('ends with the workshop, running or waiting, and none begins after it', async () => {
    const jobs = [workshop.run('check', { source: good }), workshop.run('check', { source: good })].map(refused)
    await workshop.close()
    expect(await Promise.all(jobs)).toEqual(Array(2).fill('UNAVAILABLE the gateway is shutting down: try again elsewhere'))
    expect(await refused(workshop.run('check', { source: good }))).toMatch(/^UNAVAILABLE/)
  })
})

describe('a hostile text is refused, or ends its own thread alone', () => {
  test.each([
    ['200 nested parentheses', when(`${'('.repeat(200)}true${')'.repeat(200)}`), /nested \d+ deep/],
    ['3,000 terms', when(Array(3_000).fill('context.door == "a"').join('||')), /operators are too many/],
    ['5 MB', source({ erp: `// ${'x'.repeat(5_000_000)}` }), /5000003 bytes are too many/],
    ['deep records', when(`${'{a: '.repeat(300)}1${'}'.repeat(300)} == 1`), /nested \d+ deep/],
    ['a million policies', source({ erp: 'permit(principal,action,resource);'.repeat(30_000) }), /30000 policies are too many/],
    [
      'many large files',
      source(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`c${i}`, `// ${'x'.repeat(1_000_000)}`]))),
      /bytes of policies are too many/,
    ],
    ['direction marks', when('context.door == "\u202Ea"'), /BIDI/],
    ['zero-width identifiers', when('context.inp\u200But == "a"'), /policies\/erp\.cedar:1:\d+/],
    ['a lone surrogate', when('context.door == "\uD800"'), /policies\/erp\.cedar:1:1 .*well-formed/],
    ['look-alikes', when('context.door == "\u0430dmin"'), /mixed scripts/],
    ['null bytes', when('\u0000'), /policies\/erp\.cedar:1:\d+/],
  ])('%s', async (_title, text, message) => {
    expect(await refused(workshop.run('check', { source: text }))).toMatch(message)
    expect(await workshop.run('check', { source: good })).toMatchObject({ policies: 1 })
  })

  // Every policy is validated against every operation: this many of both keep the validator busy for minutes.
  const wide = catalogueOf(...Array.from({ length: 4_000 }, (_, i) => operation(`erp.op${i}`)))
  const endless = source(
    { org: many(4_000, (i) => `@id("p${i}") permit(principal, action, resource) when { context.door == "${i}" };`) },
    wide,
  )

  test('what takes too long is stopped, while the decider in force goes on, and the next job runs', async () => {
    const live = createDecider(good)
    const asked = question(releasePayment, { vendorId: 'v', amount: 1 })
    const { run } = await other({ jobMsMax: 5_000 })
    let over = false
    const job = refused(run.call(workshop, 'check', { source: endless })).finally(() => {
      over = true
    })
    const next = workshop.run('check', { source: good })
    let decided = 0
    for (; !over; decided += 1) {
      expect(live.decide({ ...asked, input: { vendorId: 'v', amount: decided } }).verdict.effect).toBe('permit')
      await new Promise(setImmediate)
    }
    expect(await job).toBe(
      'CONFIG_INVALID the policies took longer than 5 s and were stopped: make them fewer, or the largest one simpler\n' +
        'policies the policies took longer than 5 s and were stopped: make them fewer, or the largest one simpler',
    )
    expect(decided).toBeGreaterThan(10)
    expect(await next).toMatchObject({ policies: 1 })
  })

  test('what needs too much memory is stopped, and the next job runs', async () => {
    await other({ heapMegabytesMax: 48 })
    const files = [{ path: 'tests/erp.json', text: `[${'{"name": "x"}, '.repeat(2_000_000)}{}]` }]
    expect(await refused(workshop.run('test', { source: good, files }))).toMatch(
      /^CONFIG_INVALID the policies needed more than 48 MB of memory/,
    )
    expect(await workshop.run('check', { source: good })).toMatchObject({ policies: 1 })
  })
})

test('the catalogue and the people arrive as they were sent', async () => {
  const org = '@id("p") permit(principal in Gatehouse::Group::"owners", action, resource in Gatehouse::Connector::"crm");'
  const text = source({ org }, acme)
  expect((await workshop.run('check', { source: text })).policySet).toBe(createDecider(text).policySet)
})
