import assert from 'node:assert/strict'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer } from 'smtp-server'

/** A real SMTP server that keeps what it gets. */
export interface SmtpSink {
  readonly url: string
  readonly port: number
  readonly mails: readonly Email[]
  forget(): void
  close(): Promise<void>
}

interface SinkOptions {
  /** The same port as before, for a server that comes back. */
  readonly port?: number
  /** How to answer a recipient: nothing takes it. */
  readonly refuse?: (address: string) => { code: number; text: string } | undefined
  /** Whether it takes nothing from our sender. */
  readonly refusesSender?: boolean
  /** Whether it answers a message never. */
  readonly isSilent?: boolean
}

export async function openSink({
  port = 0,
  refuse,
  refusesSender = false,
  isSilent = false,
}: SinkOptions = {}): Promise<SmtpSink> {
  const mails: Email[] = []
  const take = async (bytes: Buffer, done: () => void) => {
    mails.push(await PostalMime.parse(bytes))
    done()
  }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    // Connections are kept open by their pool: who closes does not wait for them.
    closeTimeout: 100,
    onMailFrom(_address, _session, done) {
      done(refusesSender ? Object.assign(new Error('not you'), { responseCode: 550 }) : undefined)
    },
    onRcptTo({ address }, _session, done) {
      const refusal = refuse?.(address)
      done(refusal && Object.assign(new Error(refusal.text), { responseCode: refusal.code }))
    },
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        if (!isSilent) void take(Buffer.concat(chunks), done)
      })
    },
  })
  // What clients do to it is theirs to tell.
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  const address = server.server.address()
  assert(typeof address === 'object' && address)
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    port: address.port,
    mails,
    forget: () => void mails.splice(0),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
