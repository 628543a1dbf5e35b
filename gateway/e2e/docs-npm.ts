// Plays `npm` for the commands of the documentation: the scripts of package.json on what is built, in the folder where it is called. Building and
// npm's own start would cost more than the commands, and `serve` has to come to an end.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ENTRIES: Readonly<Record<string, string>> = {
  gatehouse: '../cli/main.js',
  demo: '../../examples/acme/demo-main.js',
}

/** What a command prints that would go on for ever. */
const SERVES = /^(serve: gatehouse|witness: gatehouse witness) serves at/

const [run, ...rest] = process.argv.slice(2).filter((word) => word !== '--silent')
const [script = '', dashes, ...args] = rest
const entry = ENTRIES[script]
if (run !== 'run' || entry === undefined || (dashes !== undefined && dashes !== '--')) {
  process.stderr.write(`the documentation's commands do not include npm ${process.argv.slice(2).join(' ')}\n`)
  process.exit(2)
}
const child = spawn(process.execPath, [fileURLToPath(new URL(entry, import.meta.url)), ...args], { stdio: ['inherit', 'pipe', 'inherit'] })
child.stdout.on('data', (chunk: Buffer) => {
  process.stdout.write(chunk)
  // A gateway or a witness that serves has shown what it can; how it ends belongs to it.
  if (SERVES.test(`${args[0]}: ${chunk.toString()}`)) child.kill('SIGTERM')
})
child.on('close', (code) => {
  process.exitCode = code ?? 1
})
