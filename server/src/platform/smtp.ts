import type { Transporter } from 'nodemailer'
import { isLoopback } from './config.ts'

/** A message as it goes over the wire. */
export interface OutgoingMail {
  /** The same at every attempt, so that a mailbox which got it twice can tell. */
  readonly messageId: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** How a delivery ended. `refused` is for good; after `failed` it may be tried again, and after `unreachable` so may others. */
export type Delivery =
  | { readonly outcome: 'delivered' }
  | { readonly outcome: 'refused' | 'failed' | 'unreachable'; readonly reason: string }

/** Where mail leaves us. */
export interface MailTransport {
  send(mail: OutgoingMail): Promise<Delivery>
  close(): void
}

/** A server that takes longer to answer is tried again later. */
const connectTimeoutMs = 5_000
const silenceTimeoutMs = 10_000
/** However slowly a server drips, a delivery ends: others wait, and so may the process's end. */
export const deliverySecondsMax = 20
/** Connections at once: mail is rare, and a mail server turns away who opens many. */
const connectionsMax = 2

/** Mail by SMTP, whose library comes with the first message: most servers start without one to send. `smtps:` is TLS from the start; `smtp:` must come to it by STARTTLS, unless it is this machine. */
export function smtpTransport(url: string, from: string): MailTransport {
  let opened: Promise<Transporter> | undefined
  const open = () => (opened ??= openTransport(url, from))
  return {
    send: ({ messageId, to, subject, text }) =>
      withinTime(
        open()
          .then((transport) =>
            transport.sendMail({
              messageId,
              to: { name: '', address: to },
              subject,
              text,
              // RFC 3834: an automatic answer to an automatic message goes nowhere.
              headers: { 'Auto-Submitted': 'auto-generated' },
            }),
          )
          .then(() => ({ outcome: 'delivered' as const }), toFailure),
      ),
    close: () => void opened?.then((transport) => transport.close()),
  }
}

async function openTransport(url: string, from: string): Promise<Transporter> {
  const { createTransport } = await import('nodemailer')
  const { protocol, hostname } = new URL(url)
  return createTransport(
    {
      url,
      pool: true,
      maxConnections: connectionsMax,
      requireTLS: protocol === 'smtp:' && !isLoopback(hostname),
      connectionTimeout: connectTimeoutMs,
      greetingTimeout: connectTimeoutMs,
      socketTimeout: silenceTimeoutMs,
      // What a message says is text, never the name of a file or a URL to read.
      disableFileAccess: true,
      disableUrlAccess: true,
      logger: false,
    },
    { from },
  )
}

async function withinTime(sending: Promise<Delivery>): Promise<Delivery> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Delivery>((resolve) => {
    timer = setTimeout(() => resolve({ outcome: 'unreachable', reason: 'ETIMEDOUT' }), deliverySecondsMax * 1000)
  })
  try {
    return await Promise.race([sending, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Of the library's error only codes go on: its words repeat addresses, and what the server said of them. */
function toFailure(error: unknown): Delivery {
  const [code, command, answer] = ['code', 'command', 'responseCode'].map((name) => textOf(error, name))
  const reason = [code, command, answer].filter((part) => part !== undefined).join(' ')
  const isOfRecipient = code === 'EENVELOPE' && command === 'RCPT TO'
  // RFC 5321 §4.2.1: 5yz is for good. What is said of the sender or the connection is of all messages, and can be mended.
  if (isOfRecipient && Number(answer) >= 500) return { outcome: 'refused', reason }
  return { outcome: isOfRecipient || code === 'EMESSAGE' ? 'failed' : 'unreachable', reason }
}

function textOf(error: unknown, name: string): string | undefined {
  const value: unknown = Reflect.get(Object(error), name)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
