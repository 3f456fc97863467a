import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

const headEnd = Buffer.from('\r\n\r\n')

/**
 * One kept-alive connection, one request at a time, sent as the bytes it is given.
 *
 * The generator shares the cores with what it measures, so it does as little as it can: an HTTP client of full size
 * would cost more than the fastest of the servers.
 */
export class HttpConnection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new HttpConnection(socket)
  }

  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#waiting = undefined
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const bodyStart = this.#received.indexOf(headEnd) + headEnd.length
    if (bodyStart < headEnd.length) return
    const { status, bodyBytes } = readHead(this.#received.toString('latin1', 0, bodyStart))
    if (this.#received.length < bodyStart + bodyBytes) return

    const body = this.#received.subarray(bodyStart, bodyStart + bodyBytes)
    this.#received = Buffer.alloc(0)
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve({ status, body })
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}

/** The bytes of a POST request with a JSON body. */
export function postRequest(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Buffer {
  return post(path, JSON.stringify(body), { 'content-type': 'application/json', ...headers })
}

/** The bytes of a GET request. */
export function getRequest(path: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'host: localhost',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

/** The bytes of a POST request with a form, as OAuth clients send it. */
export function postForm(path: string, fields: Readonly<Record<string, string>>): Buffer {
  return post(path, new URLSearchParams(fields).toString(), { 'content-type': 'application/x-www-form-urlencoded' })
}

function post(path: string, body: string, headers: Readonly<Record<string, string>>): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'host: localhost',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

function readHead(head: string): { status: number; bodyBytes: number } {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) throw new Error(`an answer without a length: ${head}`)
  return { status: Number(head.slice(9, 12)), bodyBytes: Number(length) }
}
