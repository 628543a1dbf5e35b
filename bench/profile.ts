import type { Profiler } from 'node:inspector'

export interface Share {
  name: string
  /** Part of the time in which the process was not idle, 0 to 1. */
  share: number
}

/** Self time of a CPU profile. */
export interface ProfileSummary {
  modules: readonly Share[]
  functions: readonly Share[]
}

const SHOWN = 14

/** `dist/gateway/storage/x.js` to `gateway/storage`, a package to its name, Node's own files to `node:`; no path of the machine survives. */
export function moduleOf(url: string, functionName: string): string {
  if (functionName === '(garbage collector)') return 'garbage collector'
  if (url === '' && /^(write|readStart|shutdown)/.test(functionName)) return 'system calls on sockets'
  if (url === '') return 'native code: event loop, parsers, hashing'
  if (url.startsWith('wasm:')) return 'WASM'
  if (url.startsWith('node:'))
    return `node:${
      url
        .slice(5)
        .replace(/^internal\//, '')
        .split('/')[0] ?? ''
    }`
  const pkg = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  if (pkg !== undefined) return pkg
  const own = /\/dist\/(.+)\/[^/]+$/.exec(url)?.[1]
  return own ?? 'other'
}

/** Adds up self time by module and by function; what the process idled away, or spent on being profiled, does not count. */
export function summarise({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ProfileSummary {
  const micros = new Map<number, number>()
  for (const [index, id] of samples.entries()) micros.set(id, (micros.get(id) ?? 0) + (timeDeltas[index] ?? 0))
  const byModule = new Map<string, number>()
  const byFunction = new Map<string, number>()
  let busy = 0
  for (const { id, callFrame } of nodes) {
    const { functionName, url } = callFrame
    const spent = micros.get(id) ?? 0
    if (spent === 0 || functionName === '(idle)' || url === 'node:inspector') continue
    busy += spent
    const module = moduleOf(url, functionName)
    byModule.set(module, (byModule.get(module) ?? 0) + spent)
    const name = `${functionName || '(anonymous)'} (${module})`
    byFunction.set(name, (byFunction.get(name) ?? 0) + spent)
  }
  return { modules: shares(byModule, busy), functions: shares(byFunction, busy) }
}

function shares(spent: ReadonlyMap<string, number>, whole: number): Share[] {
  return [...spent]
    .map(([name, micros]) => ({ name, share: micros / whole }))
    .sort((a, b) => b.share - a.share)
    .slice(0, SHOWN)
}
