import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a server that a test can cut, so that connections are refused, or stall, so that they are taken and never answered. */
export interface Cuttable {
  port: number
  cut(): Promise<void>
  stall(): Promise<void>
  restore(): Promise<void>
  close(): Promise<void>
}

/** Listens on 127.0.0.1 in front of a port there. */
export async function cuttable(target: { host: string; port: number }): Promise<Cuttable> {
  const sockets = new Set<Socket>()
  let stalls = false
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
  }
  const server = createServer((socket) => {
    keep(socket)
    if (stalls) return
    const onward = keep(connect(target))
    socket.pipe(onward).pipe(socket)
  })
  const drop = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const listen = async (port: number): Promise<number> => {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    drop()
    await closed
  }
  const port = await listen(0)
  return {
    port,
    cut: stop,
    async stall() {
      stalls = true
      if (!server.listening) await listen(port)
      drop()
    },
    async restore() {
      stalls = false
      drop()
      if (!server.listening) await listen(port)
    },
    close: stop,
  }
}
