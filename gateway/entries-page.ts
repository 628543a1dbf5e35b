import { ENTRY_KINDS } from './core/entry-kinds.ts'
import { ENTRY_REFERENCE } from './core/entry-reference.ts'
import { ENTRY_SHAPES } from './core/entry-shapes.ts'

const table = (head: string, members: Readonly<Record<string, string>>): string => {
  const rows = Object.entries(members).map(([name, says]) => `| \`${name}\` | ${says} |`)
  return `| ${head} | |\n|---|---|\n${rows.join('\n')}\n`
}

function kindSection(kind: (typeof ENTRY_KINDS)[number]): string {
  const { when, members, payload } = ENTRY_REFERENCE[kind]
  const sealed = payload ? `\n${table('in the payload', inWords(payload))}` : ''
  return `### \`${kind}\`\n\nWhen ${when}.\n\n${table('member', members)}${sealed}`
}

const inWords = (payload: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(payload).map(([from, to]) => [from, `belongs at \`${to}\``]))

/** Everything that an entry of the log can hold: enough to write a verifier from. */
export function entriesPage(generated: string): string {
  const shapes = Object.entries(ENTRY_SHAPES).filter(([name]) => name !== 'Leaf')
  return `# Entries

${generated}

What the log holds of an entry is its **leaf**: canonical JSON (RFC 8785), in UTF-8. The hash of a leaf is SHA-256 over a zero byte and its text (RFC 6962).

${table('member of a leaf', ENTRY_SHAPES.Leaf)}
- Times are milliseconds since the Unix epoch, UTC. SHA-256 is 64 lower-case hexadecimal digits, unless it says base64 (RFC 4648 section 4, with padding).
- Members marked *optional* are absent where they do not apply; later versions may add members and kinds.
- \`by\` is the name of a person; \`local\` is the credential of the command line, which names nobody; \`files\` is the configuration; the gateway itself is \`gatehouse\`, in \`hold.changed\` also \`gateway\`.

**Payload.** An export has it beside the leaf as text, \`payload\`, with its \`salt\`: 32 bytes in base64. \`commitment\` is SHA-256 over these 32 bytes and the UTF-8 of the text, as it stands: the text is JSON, and not canonical. In the first part, blanks stand in the place of what is payload: an empty object, list or text, null, or nothing. Each kind says where what its payload has belongs. A payload with the one member \`whole\` is the entire body, of an entry that had no room in the log: long texts, lists and objects are empty in its first part, whatever this page says of them.

**Lives of calls.** Entries of a call have its id as \`call\`. An \`intent\` follows a \`decision\` that permits, or one that holds and a \`grant.used\`; one that has \`consumes\` follows a \`decision\` whose \`release\` is the same hold, and a \`hold.changed\` of it to \`approved\`. An \`outcome\` names its intent in \`intent\`; where none came, \`lapsed\` and \`resolved\` stand for the newest intent of their call. Order is that of \`seq\` within a process, and of \`at\` between processes.

## Kinds

${ENTRY_KINDS.map(kindSection).join('\n')}
## Shapes

${shapes.map(([name, members]) => `### ${name}\n\n${table('member', members)}`).join('\n')}`
}
