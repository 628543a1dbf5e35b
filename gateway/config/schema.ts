import { z } from 'zod'
import { durationMs } from '../core/duration.ts'
import { ENTRY_KINDS } from '../core/entry-kinds.ts'
import { isAmount } from '../core/grant.ts'
import { CLASS_NAME } from '../core/output-shape.ts'
import { LIMITS } from '../limits.ts'
import { SINK_FORMATS } from '../ports/sink.ts'

export const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name is lower-case letters, digits and dashes, starting with a letter')
const words = z.array(z.string().min(1)).default([])

/** A duration in text, as milliseconds. */
export const duration = z.string().transform((text, context) => {
  const ms = durationMs(text)
  if (ms !== undefined) return ms
  context.addIssue({ code: 'custom', message: `\`${text}\` is no duration: write \`30s\`, \`5m\`, \`1h\`, \`7d\` or ISO 8601` })
  return z.NEVER
})

/** Where the processes of one organisation wake each other. */
export const redisUrl = z.url({ protocol: /^rediss?$/, error: 'write an address such as `redis://127.0.0.1:6379`, or `rediss:` for TLS' })

const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const

const builtInIssuer = z.strictObject({
  kind: z.literal('built-in'),
  /** Lets the local operator mint tokens for agents and people; refused when the gateway listens beyond loopback. */
  development: z.boolean().default(false),
})

const externalIssuer = z.strictObject({
  kind: z.literal('external'),
  /** Exact `iss`. */
  issuer: z.url(),
  /** Exact `aud`. */
  audience: z.string().min(1),
  algorithms: z.array(z.enum(ASYMMETRIC)).min(1),
  /** Address of the JWK set. */
  jwks: z.url(),
  types: z.array(z.string().min(1)).min(1).optional(),
  /** Whom its tokens speak for. */
  for: z.enum(['agents', 'people']).default('agents'),
  /** RFC 6901 pointers into the claims, where they differ from `act.sub`, `client_id`, `azp` and `sub`. */
  claims: z.strictObject({ agent: z.string().startsWith('/').optional(), subject: z.string().startsWith('/').optional() }).default({}),
})

/** Whether what is sent carries the arguments of the call. */
const withArguments = z.enum(['omit', 'include']).default('omit')

/** By Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes. */
const webhookSecret = z.string().refine(isWebhookSecret, 'write `whsec_` and the base64 of 24 to 64 random bytes, from the environment')

const notifications = z.strictObject({
  /** Host names and address literals that may lead to private addresses, as in a connector's manifest. */
  egress: words,
  smtp: z
    .strictObject({
      host: z.string().min(1),
      /** 587 for `starttls`, 465 for `implicit`, 25 for `none`. */
      port: z.int().min(1).max(65_535).optional(),
      /** `none` is for hosts under `egress` alone. */
      tls: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
      from: z.email(),
      user: z.string().min(1).optional(),
      password: z.string().min(1).optional(),
      arguments: withArguments,
    })
    .refine(({ user, password }) => (user === undefined) === (password === undefined), 'give both `user` and `password`, or neither')
    .optional(),
  webhooks: z
    .array(
      z.strictObject({
        name,
        url: z.url({ protocol: /^https?$/ }),
        secret: webhookSecret,
        arguments: withArguments,
      }),
    )
    .max(LIMITS.webhooksMax)
    .default([]),
})

function isWebhookSecret(text: string): boolean {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const { byteLength } = Buffer.from(base64, 'base64')
  return byteLength >= 24 && byteLength <= 64
}

/** Long enough that no call of then is still on its way into the record. */
const kept = duration.refine((ms) => ms >= LIMITS.retentionMsMin, `at least ${LIMITS.retentionMsMin / 3_600_000}h`)

const sinkTerms = {
  /** Its position in the record is kept under it: another name begins anew. */
  name,
  /** `entry`: entries as the log has them. `ocsf`: events of the Open Cybersecurity Schema Framework. */
  format: z.enum(SINK_FORMATS).default('entry'),
  /** Kinds of entries that go there; all by default. */
  kinds: z
    .array(z.enum(ENTRY_KINDS, { error: `no such kind of entry: ${ENTRY_KINDS.join(', ')}` }))
    .min(1)
    .optional(),
  /** Payloads go along: arguments, facts, what agents and people wrote. What has left cannot be erased any more. */
  payloads: z.boolean().default(false),
}

const sink = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    ...sinkTerms,
    /** A file of lines of JSON; what is full or of a day before stands beside it. */
    path: z.string().min(1),
  }),
  z.strictObject({
    kind: z.literal('webhook'),
    ...sinkTerms,
    url: z.url({ protocol: /^https?$/ }),
    secret: webhookSecret,
    /** Host names and address literals that may lead to private addresses. */
    egress: words,
  }),
])

const witness = z.strictObject({
  /** Its address, below which `/add-checkpoint` is (C2SP tlog-witness). */
  url: z.url({ protocol: /^https?$/ }),
  /** Its verifier key: `name+keyid+base64`. */
  key: z.string().min(1),
  /** Host names and address literals that may lead to private addresses. */
  egress: words,
})

export const gatehouseFile = z.strictObject({
  organisation: name,
  /** Address as clients see it, where a proxy stands in front: an origin without a path. */
  publicUrl: z
    .url({ protocol: /^https?$/ })
    .refine((url) => new URL(url).origin === url, 'write an origin without a path or a slash at its end')
    .optional(),
  issuers: z.array(z.discriminatedUnion('kind', [builtInIssuer, externalIssuer])).min(1),
  database: z.strictObject({ url: z.string().min(1) }).optional(),
  /** Wakes other processes over the same database at once; without, they look about every second. */
  redis: z.strictObject({ url: redisUrl }).optional(),
  connectors: z.array(z.string().min(1)).min(1),
  policies: z.array(z.string().min(1)).min(1),
  /** `files`: an edited policy file is in force at once. `review`: files fill an empty record, and every change is proposed and reviewed. */
  policyChanges: z.enum(['files', 'review']).default('files'),
  /** Rules of the library that are in force beside the policies. */
  library: z
    .array(
      z.strictObject({
        rule: z.string().min(1),
        /** Part of the ids of its policies, `library.<name>.<part>`. */
        name: name,
        /** Its parameters: `gatehouse policy library` lists them. */
        with: z.record(z.string(), z.json()).default({}),
      }),
    )
    .default([]),
  /** Folders of decision procedures that agents share: each file is one version. */
  playbooks: z.array(z.string().min(1)).default([]),
  approvals: z.string().min(1).optional(),
  /** Who may approve alone in an emergency; absent: nobody. */
  breakGlass: z
    .strictObject({
      group: z.string().min(1),
      /** So long an approval stands, where its call waits for its agent. */
      life: duration.refine((ms) => ms <= LIMITS.breakGlassLifeMsMax, `at most ${LIMITS.breakGlassLifeMsMax / 3_600_000}h`).prefault('30m'),
      /** Who has to look at each use, and how soon; where nobody does, nobody breaks the glass again until then. */
      review: z.strictObject({ by: z.enum(['security', 'operator']).default('security'), within: duration.prefault('24h') }).prefault({}),
    })
    .optional(),
  people: z.string().min(1).optional(),
  agents: z.string().min(1),
  /** How people are told that a hold waits for them. */
  notifications: notifications.prefault({}),
  /** Where the record goes besides: each entry at least once. */
  sinks: z.array(sink).max(LIMITS.sinksMax).default([]),
  log: z
    .strictObject({
      /** Who is asked to cosign each checkpoint before it is published. */
      witnesses: z.array(witness).max(LIMITS.witnessesMax).default([]),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
      serviceName: z.string().min(1).default('gatehouse'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      callsPerMinute: z.int().positive().optional(),
      concurrentCalls: z.int().positive().optional(),
      openHolds: z.int().positive().optional(),
    })
    .default({}),
  /** For how long what is kept; absent for ever. */
  retention: z
    .strictObject({
      /** What happened: from then on the beginning of the log is removed, as the log says. Not before payloads and answers. */
      entries: duration
        .refine(
          (ms) => ms >= LIMITS.retentionEntriesMsMin,
          `at least ${LIMITS.retentionEntriesMsMin / 86_400_000}d: policies count over up to ${LIMITS.factWindowMsMax / 86_400_000}d`,
        )
        .optional(),
      /** Arguments, facts, and what agents and people wrote, from when the call was made. */
      payloads: kept.optional(),
      /** Answers that are kept for agents to fetch, and to repeat to equal keys. */
      results: kept.optional(),
    })
    .refine(
      ({ entries = Number.POSITIVE_INFINITY, payloads = 0, results = 0 }) => entries >= Math.max(payloads, results),
      '`entries` must be at least as long as `payloads` and `results`',
    )
    .prefault({}),
  labels: z
    .strictObject({
      /** How long what an agent has read sticks to it, for each subject. */
      window: duration
        .refine((ms) => ms <= LIMITS.labelWindowMsMax, `at most ${LIMITS.labelWindowMsMax / 86_400_000}d`)
        .prefault(`${LIMITS.labelWindowHoursDefault}h`),
    })
    .prefault({}),
})

export const peopleFile = z.array(
  z.strictObject({
    name,
    groups: words,
    roles: z.array(z.enum(['operator', 'security', 'auditor'])).default([]),
    region: z.string().min(1).optional(),
    /** Where notices reach this person. */
    mail: z.email().optional(),
  }),
)

export const agentsFile = z.array(
  z.strictObject({
    name,
    owner: name,
    team: z.string().min(1),
    region: z.string().min(1),
    purpose: z.string().default(''),
    roles: words,
    clearance: words,
    autonomy: z.int().min(0).max(5).default(0),
    status: z.enum(['proposed', 'active', 'suspended', 'retired']).optional(),
    client: z
      .union([
        z.strictObject({ jwks: z.string().min(1) }),
        z.strictObject({ secretHash: z.string().regex(/^scrypt\$/, 'a client secret is stored as its scrypt hash') }),
      ])
      .optional(),
  }),
)

const argument = z.string().regex(/^(\/[^/*]+)+$/, 'name one argument by a pointer such as `/amount`')

export const approvalsFile = z.record(
  name,
  z.strictObject({
    requires: z.array(z.strictObject({ group: z.string().min(1), count: z.int().positive() })).min(1),
    /** So many refusals end the call. */
    deny_threshold: z.int().positive().default(1),
    /** A hold that is not approved by then is refused. */
    expires: duration,
    /** What happens where nobody has decided by then: members of `to` may vote as well, `notify` are told. */
    escalate: z
      .array(
        z
          .strictObject({ after: duration, to: z.string().min(1).optional(), notify: z.array(z.string().min(1)).default([]) })
          .refine(({ to, notify }) => to !== undefined || notify.length > 0, 'an escalation needs `to`, `notify` or both'),
      )
      .max(LIMITS.escalationsPerApprovalMax)
      .default([]),
    on_approval: z.enum(['execute', 'claim']).default('execute'),
    /** Whether approvers may put other arguments in the place of the agent's. */
    edits: z.enum(['allowed', 'forbidden']).default('forbidden'),
    /** Whom these facts of the call name may not vote; where one is missing nobody may. */
    excludes: z
      .array(
        z
          .string()
          .regex(
            /^\/(input|lookup)(\/[^/]+)+$/,
            'name a person by a pointer such as `/lookup/vendor/createdBy` or `/input/requestedBy`: other facts name nobody',
          ),
      )
      .max(LIMITS.excludesPerApprovalMax)
      .default([]),
    /** What approvers may give with an approval for further calls alike. */
    standing: z
      .union(
        [
          z.literal('none'),
          z.strictObject({
            max_uses: z.int().positive().max(LIMITS.grantUsesMax),
            /** Sums this argument over all uses. */
            max_total: z
              .strictObject({ of: argument, value: z.string().refine(isAmount, 'an amount above zero with at most four decimal places') })
              .optional(),
            until: duration.refine((ms) => ms <= LIMITS.grantLifeMsMax, `at most ${LIMITS.grantLifeMsMax / 86_400_000}d`),
            /** Arguments that no grant may loosen. */
            pinned: z.array(argument).max(LIMITS.excludesPerApprovalMax).default([]),
          }),
        ],
        {
          error: `write \`none\`, or bounds such as \`{max_uses: 20, max_total: {of: /amount, value: "10000"}, until: 30d}\`: at most ${LIMITS.grantUsesMax} uses, ${LIMITS.grantLifeMsMax / 86_400_000}d, an amount above zero with at most four decimal places in quotes`,
        },
      )
      .default('none'),
  }),
)

const override = z.strictObject({
  mode: z.enum(['read', 'write']).optional(),
  reversibility: z.enum(['read-only', 'reversible', 'externally-reversible', 'irreversible']).optional(),
  businessKey: z
    .strictObject({ type: z.string().regex(/^[A-Z][A-Za-z0-9]*$/, 'a type starts with a capital letter'), at: z.string().startsWith('/') })
    .optional(),
  /** The empty pointer is the whole answer, such as one that is no JSON. */
  dataClasses: z
    .record(
      z.string().regex(/^(\/|$)/, 'a pointer starts with a slash; an empty one is the whole answer'),
      z.array(z.string().regex(CLASS_NAME, 'a data class is letters, digits, `_`, `.` and `-`')),
    )
    .optional(),
  /** What whoever receives a result carries from then on, beside the data classes that are not masked. */
  labels: z
    .array(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'a label is lower-case letters, digits and dashes, starting with a letter'))
    .optional(),
  idempotency: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('idempotent') }),
      z.strictObject({ kind: z.literal('key-header'), header: z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/) }),
    ])
    .optional(),
  timeout: duration.optional(),
})

export const manifestFile = z.strictObject({
  connector: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,23}$/, 'a connector is lower-case letters and digits, at most 24')
    .refine((value) => value !== 'gatehouse', 'the name `gatehouse` is reserved'),
  kind: z.enum(['openapi', 'mcp']),
  source: z.string().min(1),
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  stdio: z.strictObject({ command: z.string().min(1), args: z.array(z.string()).default([]) }).optional(),
  region: z.string().min(1),
  credential: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/)
    .optional(),
  egress: words,
  operations: z
    .strictObject({
      include: z.array(z.string().min(1)).optional(),
      exclude: z.array(z.string().min(1)).optional(),
      overrides: z.record(z.string(), override).default({}),
    })
    .prefault({}),
})

export type GatehouseFile = z.output<typeof gatehouseFile>
export type IssuerConfig = GatehouseFile['issuers'][number]
export type ManifestFile = z.output<typeof manifestFile>
