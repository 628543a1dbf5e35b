import { spawnSync } from 'node:child_process'

/**
 * Runs Prometheus's own `promtool`: what it printed, and its exit code. Undefined, with a warning that names the suite, where it is not installed; under
 * `CI=true` that is an error instead.
 */
export function findPromtool(
  suite: string,
): ((args: readonly string[], input?: string) => { status: number | null; text: string }) | undefined {
  if (spawnSync('promtool', ['--version']).status !== 0) {
    if (process.env.CI === 'true') throw new Error('`promtool` is not installed (Debian package `prometheus`)')
    process.stderr.write(`SKIPPED with promtool: ${suite}: it is not installed (Debian package \`prometheus\`)\n`)
    return undefined
  }
  return (args, input = '') => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
    return { status, text: stdout + stderr }
  }
}
