import { Faults } from './config/faults.ts'
import type { PlaybookSource } from './ports/playbooks.ts'
import type { PlaybookStore } from './ports/playbook-store.ts'

/**
 * Keeps what agents may fetch from now on. Throws CONFIG_INVALID with the place of each playbook that was served under the same version with another text: an
 * agent may have decided by it, and its records say so. Throws UNAVAILABLE.
 */
export async function servePlaybooks(store: PlaybookStore, playbooks: readonly PlaybookSource[]): Promise<void> {
  const faults = new Faults()
  for (const { name, version, digest } of await store.serve(playbooks.map(({ place: _place, ...playbook }) => playbook))) {
    const playbook = playbooks.find((one) => one.name === name && one.version === version)
    const message = `version \`${version}\` of playbook \`${name}\` was served with another text (digest ${digest}): give what changed a new version, and leave this one as it was`
    faults.add(playbook?.place(['version']) ?? '', message)
  }
  faults.refuse()
}
