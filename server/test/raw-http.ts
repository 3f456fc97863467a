import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request of which a test decides what is sent, and when. */
export class RawRequest {
  readonly socket: Socket
  #received = ''
  /** Of the final response; undefined when the connection ended without one. */
  readonly status: Promise<number | undefined>

  constructor(port: number, head: readonly string[]) {
    this.socket = connect(port, '127.0.0.1')
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    this.status = promise
    this.socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      const status = this.#finalStatus()
      if (status !== undefined) resolve(status)
    })
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => resolve(this.#finalStatus()))
    this.socket.write(`${head.join('\r\n')}\r\n\r\n`)
  }

  get received(): string {
    return this.#received
  }

  #finalStatus(): number | undefined {
    const codes = Array.from(this.#received.matchAll(/^HTTP\/1\.1 (\d{3}) /gm), ([, code]) => Number(code))
    return codes.find((code) => code >= 200)
  }

  /** Sends part of the body; waits until the connection takes more. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.socket.destroyed || this.socket.write(bytes)) return
    await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]).catch(() => undefined)
  }

  close(): void {
    this.socket.destroy()
  }
}

export interface Head {
  readonly method: string
  readonly path: string
  readonly port: number
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string | number>>
}

export function sendHead({ method, path, port, token, headers = {} }: Head): RawRequest {
  const all = {
    host: `localhost:${port}`,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    'content-type': 'application/json',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return new RawRequest(port, [`${method} ${path} HTTP/1.1`, ...lines])
}
