import type { z } from 'zod'
import type { ApprovalDefinition } from '../core/hold.ts'
import type { Notifications } from '../ports/notifier.ts'
import type { Faults } from './faults.ts'
import type { GatehouseFile, peopleFile } from './schema.ts'

const PORTS = { starttls: 587, implicit: 465, none: 25 } as const

/** `notifications:` and the addresses of `people.yaml`. What would leave in plain text for just anywhere is a fault. */
export function readNotifications(
  { notifications: { egress, smtp, webhooks } }: GatehouseFile,
  people: z.output<typeof peopleFile>,
  place: (keys: readonly PropertyKey[]) => string,
  faults: Faults,
): Notifications {
  const at = (...keys: PropertyKey[]): string => place(['notifications', ...keys])
  if (smtp?.tls === 'none' && !egress.includes(smtp.host))
    faults.add(
      at('smtp', 'tls'),
      `mail to \`${smtp.host}\` would go in plain text: use \`starttls\` or \`implicit\`, or list the host under \`egress\` if it is private`,
    )
  const names = new Set<string>()
  for (const [i, { name, url }] of webhooks.entries()) {
    checkReceiver(`notices to webhook \`${name}\``, url, egress, at('webhooks', i, 'url'), faults)
    if (names.has(name)) faults.add(at('webhooks', i, 'name'), `webhook \`${name}\` stands there twice`)
    names.add(name)
  }
  return {
    egress,
    smtp: smtp ? { ...smtp, port: smtp.port ?? PORTS[smtp.tls] } : null,
    webhooks,
    mailOf: new Map(people.flatMap(({ name, mail }) => (mail === undefined ? [] : [[name, mail] as const]))),
  }
}

/** What may not be the address of a receiver of webhooks: it would be told in plain text for just anywhere, or names a user. */
export function checkReceiver(what: string, url: string, egress: readonly string[], askedAt: string, faults: Faults): void {
  const { protocol, hostname, username, password } = new URL(url)
  if (protocol === 'http:' && !egress.includes(hostname.replace(/^\[|\]$/g, '')))
    faults.add(askedAt, `${what} would go in plain text: use https, or list the host under \`egress\` if it is private`)
  if (username !== '' || password !== '') faults.add(askedAt, 'an address takes no user: receivers know the gateway by its signature')
}

/** What `check` remarks: people who are to be told, and no way to tell them. */
export function unheard(
  approvals: ReadonlyMap<string, ApprovalDefinition>,
  { smtp, webhooks, mailOf }: Notifications,
  people: readonly { name: string; groups: readonly string[] }[],
): readonly { approval: string; message: string }[] {
  const meant = [...approvals.values()].filter(({ escalate }) => escalate.length > 0)
  if (!smtp && webhooks.length === 0)
    return meant.map(({ name }) => ({
      approval: name,
      message: 'it escalates, and `notifications` in gatehouse.yaml names no channel: nobody is told but by the dashboard',
    }))
  if (webhooks.length > 0) return []
  return meant.flatMap(({ name, escalate }) => {
    const groups = [...new Set(escalate.flatMap(({ to, notify }) => [...(to === null ? [] : [to]), ...notify]))]
    const deaf = groups.filter((group) => !people.some((person) => person.groups.includes(group) && mailOf.has(person.name)))
    return deaf.map((group) => ({
      approval: name,
      message: `it escalates to group \`${group}\`, in which nobody has \`mail\` in people.yaml`,
    }))
  })
}
