import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { freePort } from '../free-port.ts'
import { openServer, type ServerOptions, type TestServer } from '../test-server.ts'
import type { TestDatabase } from '../databases.ts'
import type { Attack } from './attack-thread.ts'

/** Attacks a server through the network from a thread of its own. */
export class Attacker {
  readonly server: TestServer
  readonly port: number
  readonly #thread = new Worker(new URL('./attack-thread.ts', import.meta.url))

  private constructor(server: TestServer, port: number) {
    this.server = server
    this.port = port
  }

  /** With a new server, which listens. */
  static async open(database: TestDatabase, options: ServerOptions = {}): Promise<Attacker> {
    const port = await freePort()
    const server = await openServer(database, { ...options, address: `http://localhost:${port}` })
    await server.app.http.listen({ port, host: '127.0.0.1' })
    return new Attacker(server, port)
  }

  /** Resolves once every request was answered, or given up. */
  async run(attack: Attack): Promise<void> {
    const done = once(this.#thread, 'message')
    this.#thread.postMessage(attack)
    await done
  }

  async close(): Promise<void> {
    await this.#thread.terminate()
    await this.server.close()
  }
}
