import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Puts a text into a file, whole or not at all, for its owner alone. It survives the loss of power once this resolves. One writer to a file. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
