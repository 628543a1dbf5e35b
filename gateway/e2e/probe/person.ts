import type { IncomingMessage, ServerResponse } from 'node:http'

/** A personal datum. Looks different in JSON, in URLs and in base64, and cannot be anything else. */
export const PERSONAL = `aNn+wé/9"@<b>~%41_${'7'.repeat(3)}kestrel`

/** Ways in which a system answers about a person, most of them not as its description says. */
export const PERSON_FORMS = [
  'as declared',
  'spaced and escaped',
  'twice',
  'much more than declared',
  'headers',
  'wrapped',
  'empty list',
  'nothing',
  'text',
  'bytes',
  'html',
  'half',
  'list',
  'texts for objects',
  'objects for texts',
  'number',
  'problem 404',
  'problem 422',
  'error 500',
  'redirect',
  'large',
] as const
export type PersonForm = (typeof PERSON_FORMS)[number]

/** Answers about a person in the form that the query or body asks for. */
export function personTo(req: IncomingMessage, res: ServerResponse, body: string): void {
  const asked = new URL(req.url ?? '/', 'http://probe.invalid').searchParams.get('form') ?? String(JSON.parse(body || '{}').form)
  const { status = 200, headers = {}, body: answer } = PEOPLE[asked as PersonForm] ?? { status: 400, body: 'no such form' }
  const bytes = typeof answer === 'string' || answer instanceof Uint8Array ? answer : JSON.stringify(answer)
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(bytes)
}

interface Answered {
  status?: number
  headers?: Record<string, string>
  body: unknown
}

const PERSON = {
  id: 'p1',
  name: PERSONAL,
  team: 'blue',
  phones: [
    { kind: 'work', number: PERSONAL },
    { kind: 'home', number: PERSONAL },
  ],
  links: { manager: PERSONAL },
}

/** As a system that writes everything outside ASCII, and slashes, as escapes. */
const escaped = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .replaceAll('/', '\\/')
    .replace(/[^\x20-\x7e\n]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace('"name"', '"n\\u0061me"')

const PEOPLE: Readonly<Record<PersonForm, Answered>> = {
  'as declared': { body: PERSON },
  'spaced and escaped': { body: escaped(PERSON) },
  twice: { body: `{"name":"${'x'}","id":"p1","name":{"deep":[${JSON.stringify(PERSONAL)}]},"team":"blue"}` },
  'much more than declared': {
    body: { ...PERSON, email: PERSONAL, [PERSONAL]: 1, phones: [{ ...PERSON.phones[0], sms: PERSONAL }], more: [{ name: PERSONAL }] },
  },
  headers: {
    headers: {
      etag: `"${Buffer.from(PERSONAL).toString('base64')}"`,
      'content-disposition': `inline; filename="${encodeURIComponent(PERSONAL)}.json"`,
      'content-type': `application/json; name="${encodeURIComponent(PERSONAL)}"`,
      'x-person': encodeURIComponent(PERSONAL),
      'set-cookie': `person=${encodeURIComponent(PERSONAL)}`,
    },
    body: PERSON,
  },
  wrapped: { body: { data: PERSON } },
  'empty list': { body: { id: 'p1', phones: [] } },
  nothing: { status: 204, body: '' },
  text: { headers: { 'content-type': 'text/plain' }, body: `name: ${PERSONAL}` },
  bytes: { headers: { 'content-type': 'application/octet-stream' }, body: Buffer.concat([Uint8Array.of(0xff), Buffer.from(PERSONAL)]) },
  html: { headers: { 'content-type': 'text/html' }, body: JSON.stringify(PERSON) },
  half: { body: JSON.stringify(PERSON).slice(0, -1) },
  list: { body: [PERSON] },
  'texts for objects': { body: { ...PERSON, phones: [PERSONAL] } },
  'objects for texts': { body: { ...PERSON, id: { name: PERSONAL } } },
  number: { body: '7' },
  'problem 404': { status: 404, headers: { 'content-type': 'application/problem+json' }, body: { detail: `nobody is called ${PERSONAL}` } },
  'problem 422': { status: 422, headers: { etag: '"e"' }, body: { detail: PERSONAL, id: 'p1' } },
  'error 500': { status: 500, body: { stack: `Error: ${PERSONAL}` } },
  redirect: { status: 302, headers: { location: `/people?form=text&name=${encodeURIComponent(PERSONAL)}` }, body: PERSONAL },
  large: { body: { ...PERSON, phones: Array.from({ length: 2_000 }, () => PERSON.phones[0]) } },
}
