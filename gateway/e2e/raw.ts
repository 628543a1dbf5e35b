import { connect } from 'node:net'

/** Writes bytes to the server and reads all that it says until it closes. Rejects after ten seconds. */
export function exchangeRaw(base: string, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let text = ''
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`the server did not close: ${text.slice(0, 500)}`))
    }, 10_000)
    const end = (): void => {
      clearTimeout(timer)
      resolve(text)
    }
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('close', end)
    // A server that has said its word may reset what it does not want to read.
    socket.on('error', () => undefined)
    for (const part of parts) socket.write(part)
  })
}

/** Statuses of all answers in what a server said. */
export const statusesIn = (text: string): number[] => [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))
