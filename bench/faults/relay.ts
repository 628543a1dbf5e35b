import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A network between a client and a server that can swallow what is under way. */
export class Relay {
  readonly #server: Server
  readonly #pairs: (readonly [near: Socket, far: Socket])[] = []

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(host: string, port: number): Promise<Relay> {
    const server = createServer()
    const relay = new Relay(server)
    server.on('connection', (near) => {
      const far = connect(port, host)
      for (const socket of [near, far]) socket.on('error', () => undefined)
      near.pipe(far).pipe(near)
      relay.#pairs.push([near, far])
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on nothing passes over the connections that there are, and nobody is told; new ones pass. As where a server moved to another machine. */
  swallow(): void {
    for (const [near, far] of this.#pairs.splice(0)) {
      near.unpipe(far)
      far.unpipe(near)
      near.resume()
      far.destroy()
    }
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
