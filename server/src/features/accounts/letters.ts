import type { Letter } from '../mail/model.ts'
import { nameOf, paragraphs, type Sender } from '../mail/service.ts'

interface Mailed {
  readonly to: string
  readonly token: string
  readonly expiresAt: Date
}

// A letter holds no text that a stranger chose: who registers with a foreign address would else write to it in our name.

/** The link that sets a new password. The secret stands in the fragment, which browsers send to nobody. */
export function resetLetter({ publicUrl, tenant }: Sender, { to, token, expiresAt }: Mailed): Letter {
  return {
    purpose: 'password-reset',
    to,
    expiresAt,
    subject: 'Set a new password',
    text: paragraphs(
      `Somebody, probably you, asked for a new password at ${nameOf(tenant)}. Choose it here within 15 minutes:`,
      `${publicUrl}/reset-password#token=${token}`,
      'The link works once. If it was not you, ignore this message: your password stays as it is.',
    ),
  }
}

export function confirmLetter({ publicUrl, tenant }: Sender, { to, token, expiresAt }: Mailed): Letter {
  return {
    purpose: 'registration',
    to,
    expiresAt,
    subject: 'Confirm your address',
    text: paragraphs(
      `Somebody, probably you, asked for an account at ${nameOf(tenant)} with this address. Confirm it here within 7 days,`,
      'with the password that you chose:',
      `${publicUrl}/confirm-registration#token=${token}`,
      'After that an administrator decides. If it was not you, ignore this message.',
    ),
  }
}

/** To who has an account already: the page that asked is told nothing of it. */
export function knownLetter({ tenant }: Sender, { to, expiresAt }: Omit<Mailed, 'token'>): Letter {
  return {
    purpose: 'registration-of-known-address',
    to,
    expiresAt,
    subject: 'You have an account already',
    text: paragraphs(
      `Somebody, probably you, asked for an account at ${nameOf(tenant)} with this address, which has one. Log in with`,
      'it; if you do not know the password any more, ask for a new one. If it was not you, ignore this message.',
    ),
  }
}

export function approvedLetter({ publicUrl, tenant }: Sender, { to, expiresAt }: Omit<Mailed, 'token'>): Letter {
  return {
    purpose: 'registration-approved',
    to,
    expiresAt,
    subject: 'Your account is ready',
    text: paragraphs(
      `An administrator approved your account at ${nameOf(tenant)}. Log in at ${publicUrl} with this address, the`,
      `password that you chose, and the tenant "${tenant.slug}".`,
    ),
  }
}

export function rejectedLetter({ tenant }: Sender, { to, expiresAt }: Omit<Mailed, 'token'>): Letter {
  return {
    purpose: 'registration-rejected',
    to,
    expiresAt,
    subject: 'Your account was not approved',
    text: paragraphs(`An administrator did not approve the account that was asked for at ${nameOf(tenant)}.`),
  }
}

export function invitationLetter({ publicUrl, tenant }: Sender, { to, token, expiresAt }: Mailed): Letter {
  return {
    purpose: 'invitation',
    to,
    expiresAt,
    subject: 'You are invited',
    text: paragraphs(
      `You are invited to ${nameOf(tenant)}. Choose a password here within 7 days:`,
      invitationLink(publicUrl, token),
      'The link works once.',
    ),
  }
}

/** Where who is invited chooses a password. */
export function invitationLink(publicUrl: string, token: string): string {
  return `${publicUrl}/accept-invitation#token=${token}`
}
