import type { JsonValue } from '../core/json.ts'
import { type Case, denied, on, permitted, refused, type Want } from './corpus-case.ts'
import type { DoorName } from './doors.ts'

const NO_CONTROLS = { http: 'a header has no control characters' } satisfies Partial<Record<DoorName, string>>

const PROBERS = ['probe-probers']

/** Each one writes a thing of its own: an equal call would join the one before. */
const why = (what: string, rationale: string | undefined, want: Want, notAt?: Partial<Record<DoorName, string>>): Case =>
  on(`a reason that a policy asks for: ${what}`, 'prober', 'probe.writeThing', { name: `why ${what}` }, want, {
    ...(rationale === undefined ? {} : { says: { rationale } }),
    ...(notAt ? { notAt } : {}),
  })

const given = (rationale: string): Want => permitted(PROBERS, 'POST /things', { record: { rationale } })
const missing = (rationale: string | null): Want => ({ ...denied('forbidden', ['probe-says-why']), record: { rationale } })

/** A rationale, where a policy asks for one of twelve characters at least. */
export const REASONS: readonly Case[] = [
  why('none', undefined, missing(null)),
  why('an empty one', '', refused('BAD_INPUT')),
  why('eleven characters', 'it is due! now', missing('it is due! now')),
  why('twelve characters', 'it is due!! now', given('it is due!! now')),
  why('as long as may be', 'y'.repeat(2_000), given('y'.repeat(2_000))),
  why('one more than may be', 'y'.repeat(2_001), refused('BAD_INPUT')),
  why('in other letters', 'Ware beschädigt, 写真あり 📷', given('Ware beschädigt, 写真あり 📷')),
  why('invisible ones only', `.${'\u200b\u00a0\u3164\u202e'.repeat(20)}.`, missing(`.${'\u200b\u00a0\u3164\u202e'.repeat(20)}.`)),
  // A header is trimmed at both ends (RFC 9110 5.5), and is empty then.
  why('spaces only', ' '.repeat(40), missing(' '.repeat(40)), { http: 'a header of spaces is an empty one' }),
  why('control characters only', '\0\t\n\u0007'.repeat(20), missing('\0\t\n\u0007'.repeat(20)), NO_CONTROLS),
  why('a NUL among the words', 'the invoice\0 is matched', given('the invoice\0 is matched'), NO_CONTROLS),
]

const book = (what: string, decisionRecord: JsonValue | undefined, want: Want): Case =>
  on(`a decision by a playbook: ${what}`, 'prober', 'probe.writeThing', { name: `book ${what}` }, want, {
    ...(decisionRecord === undefined ? {} : { says: { decisionRecord } }),
  })

const claim = (more: Readonly<Record<string, JsonValue>> = {}) => ({
  playbook: 'probing',
  version: '1.1',
  outcome: 'write',
  record: { seen: [1, 2] },
  ...more,
})
const unfit = (...pointers: string[]): Want => ({ code: 'BAD_INPUT', pointers: pointers.map((pointer) => `/decisionRecord${pointer}`) })
const unheeded = { ...denied('forbidden', ['probe-by-the-book']) }
const { record: _none, ...bare } = claim()

/** A decision record, where a policy asks for one of a playbook. */
export const PLAYBOOKS: readonly Case[] = [
  book('none', undefined, { ...unheeded, record: { decisionRecord: null } }),
  book('as it should be', claim(), permitted(PROBERS, 'POST /things', { record: { decisionRecord: { ...claim(), checked: true } } })),
  book(
    'in other letters',
    claim({ record: { seen: [], place: { city: '東京 😀' } } }),
    permitted(PROBERS, 'POST /things', { record: { decisionRecord: { record: { seen: [], place: { city: '東京 😀' } } } } }),
  ),
  book('with another outcome', claim({ outcome: 'leave' }), {
    ...unheeded,
    record: { decisionRecord: { ...claim({ outcome: 'leave' }), checked: true } },
  }),
  book('of a playbook that nobody knows', claim({ playbook: 'mine' }), {
    ...unheeded,
    record: { decisionRecord: { ...claim({ playbook: 'mine' }), checked: false } },
  }),
  book(
    'of a playbook that nobody knows, in three texts',
    { playbook: 'mine', version: 'x', outcome: 'o' },
    {
      ...unheeded,
      record: { decisionRecord: { playbook: 'mine', version: 'x', outcome: 'o', checked: false } },
    },
  ),
  book('of a version that nobody knows', claim({ version: '1.0' }), unfit('/version')),
  book('with an outcome that it has not', claim({ outcome: 'Write' }), unfit('/outcome')),
  book('without its record', bare, unfit('/record')),
  book(
    'with a record that does not fit',
    claim({ record: { seen: [1, 'two'], place: { city: 'x'.repeat(11), zip: 1 }, more: true } }),
    unfit('/record/more', '/record/place/city', '/record/place/zip', '/record/seen/1'),
  ),
  book('that says itself that it was checked', claim({ checked: true }), refused('BAD_INPUT')),
  book('that is a text', 'write', refused('BAD_INPUT')),
  book('beyond all measure', claim({ record: { seen: [], place: { city: 'x'.repeat(17_000) } } }), refused('BAD_INPUT')),
  on(
    'a decision record that no policy asks for is checked as well',
    'prober',
    'probe.readThing',
    { thing: 'unasked' },
    unfit('/record/seen'),
    {
      says: { decisionRecord: claim({ record: {} }) },
    },
  ),
]
