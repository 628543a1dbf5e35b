import { type Case, held, on, permitted, type Want } from './corpus-case.ts'
import type { PersonForm } from './probe/person.ts'

const BY = ['probe-probers']
const ALL = ['/links/*', '/name', '/phones/*/number']
const read = (form: PersonForm): string => `GET /people?form=${form.replaceAll(' ', '%20')}`
const refused = (upstreamStatus: number, more: Partial<Want> = {}): Omit<Want, 'sent'> => ({
  code: 'UPSTREAM',
  policies: BY,
  upstreamStatus,
  masked: ['*'],
  ...more,
})
const withheld: Omit<Want, 'sent'> = { code: 'WITHHELD', policies: BY, upstreamStatus: 200 }
const shown = (masked?: readonly string[], more: Partial<Want> = {}): Omit<Want, 'sent'> => ({
  code: 'OK',
  policies: BY,
  ...(masked ? { masked } : {}),
  ...more,
})

/** What an agent is told that may not read personal data, by how the system answers. */
const TOLD: readonly (readonly [PersonForm, Omit<Want, 'sent'>])[] = [
  ['as declared', shown(ALL, { says: '"team":"blue"' })],
  ['spaced and escaped', shown(ALL)],
  ['twice', shown(['/name'])],
  ['much more than declared', shown(ALL)],
  ['headers', shown(ALL)],
  ['wrapped', shown()],
  ['empty list', shown()],
  ['nothing', shown()],
  ['text', withheld],
  ['bytes', withheld],
  ['html', withheld],
  ['half', withheld],
  ['list', withheld],
  ['texts for objects', withheld],
  ['objects for texts', withheld],
  ['number', withheld],
  ['problem 404', refused(404)],
  ['problem 422', refused(422)],
  ['redirect', { code: 'UPSTREAM', policies: BY, upstreamStatus: 302 }],
  ['large', shown(ALL)],
]

/** Data classes: what may not be read is null, or the answer is withheld, at every door alike. */
export const MASKED: readonly Case[] = [
  ...TOLD.map(([form, want]) => on(`personal data, ${form}`, 'prober', 'probe.readPerson', { form }, { ...want, sent: [read(form)] })),
  ...TOLD.filter(([form]) => form !== 'redirect').map(([form, want]) =>
    on(`personal data of a write, ${form}`, 'prober', 'probe.writePerson', { form, by: 'corpus' }, { ...want, sent: ['POST /people'] }),
  ),
  on(
    'personal data that may be read',
    'reader',
    'probe.readPerson',
    { form: 'as declared' },
    permitted(BY, read('as declared'), { says: 'kestrel' }),
  ),
  on(
    'personal data for a person who may read them too',
    'reader',
    'probe.readPerson',
    { form: 'as declared' },
    { ...permitted(['probe-people-see-people', ...BY], read('as declared')), masked: ['/team'], says: 'kestrel' },
    { subject: 'dana' },
  ),
  on(
    'personal data for a person who may not',
    'reader',
    'probe.readPerson',
    { form: 'as declared' },
    { ...permitted(['probe-people-see-people', ...BY], read('as declared')), masked: ['/links/*', '/name', '/phones/*/number', '/team'] },
    { subject: 'yuki' },
  ),
  on(
    'personal data after people agreed',
    'prober',
    'probe.writePerson',
    { form: 'as declared', asks: true },
    held(['probe-person-asks'], {
      person: 'sam',
      vote: 'approve',
      want: { ...shown(ALL), policies: ['probe-person-asks'], sent: ['POST /people'] },
    }),
  ),
]
