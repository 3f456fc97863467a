import type { MessageStatus } from '@agent-iam/contract/mail'
import type { Id } from '@agent-iam/contract/ids'

export type MessageId = Id<'message'>

/** What a message is for. */
export type MailPurpose =
  | 'password-reset'
  | 'password-changed'
  | 'registration'
  | 'registration-of-known-address'
  | 'registration-approved'
  | 'registration-rejected'
  | 'invitation'

/** A message to one person, as whatever causes it writes it. */
export interface Letter {
  readonly purpose: MailPurpose
  /** An e-mail address that the contract has checked. */
  readonly to: string
  readonly subject: string
  readonly text: string
  /** From then on it is worth nothing, and is no longer delivered. */
  readonly expiresAt: Date
}

/** Who gets a message, and what it says. */
export interface Content {
  readonly to: string
  readonly subject: string
  readonly text: string
}

export interface Message {
  readonly id: MessageId
  readonly purpose: string
  readonly status: MessageStatus
  readonly attempts: number
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly finishedAt: Date | undefined
  /** Sealed; undefined once there is nothing left to deliver. */
  readonly sealed: { readonly recipient: Buffer; readonly content: Buffer } | undefined
}

/** A control character in a header could end it and begin another. */
const control = /[\p{Cc}\u2028\u2029]/u
const address = /^[^\s@<>,;:"()[\]\\]+@[^\s@<>,;:"()[\]\\]+$/u
/** RFC 5321 §4.5.3.1. */
const addressCharactersMax = 254
/** Far over what any header of ours says. */
const subjectCharactersMax = 200

/** Throws on what could be more than one header or more than one recipient; callers have checked what people sent. */
export function requireHeadersSafe({ to, subject }: Content): void {
  if (!address.test(to) || to.length > addressCharactersMax || control.test(to))
    throw new Error('a recipient is not one plain e-mail address')
  if (control.test(subject) || subject.length > subjectCharactersMax) throw new Error('a subject is not one short line')
}

/** The first retry; each further one waits twice as long. */
const retrySecondsMin = 10
/** A mail server that was down for a day is found again soon after it came back. */
const retrySecondsMax = 900

/** How long to wait after so many attempts that failed. */
export function retrySecondsAfter(attempts: number): number {
  return Math.min(retrySecondsMin * 2 ** Math.max(0, attempts - 1), retrySecondsMax)
}
