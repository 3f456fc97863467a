import type { Tenant } from '../tenants/model.ts'
import type { Letter } from '../mail/model.ts'

/** What every letter needs to know. */
export interface Sender {
  readonly publicUrl: string
  readonly tenant: Pick<Tenant, 'name' | 'slug'>
}

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
    text: lines(
      `Somebody, probably you, asked for a new password at ${nameOf(tenant)}. Choose it here within 15 minutes:`,
      `${publicUrl}/reset-password#token=${token}`,
      'The link works once. If it was not you, ignore this message: your password stays as it is.',
    ),
  }
}

export function changedLetter({ tenant }: Sender, { to, expiresAt }: Omit<Mailed, 'token'>): Letter {
  return {
    purpose: 'password-changed',
    to,
    expiresAt,
    subject: 'Your password was changed',
    text: lines(
      `Your password at ${nameOf(tenant)} was changed, and your other sessions were ended.`,
      'If it was not you, ask for a new password at once and tell your administrator.',
    ),
  }
}

export function confirmLetter({ publicUrl, tenant }: Sender, { to, token, expiresAt }: Mailed): Letter {
  return {
    purpose: 'registration',
    to,
    expiresAt,
    subject: 'Confirm your address',
    text: lines(
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
    text: lines(
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
    text: lines(
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
    text: lines(`An administrator did not approve the account that was asked for at ${nameOf(tenant)}.`),
  }
}

export function invitationLetter({ publicUrl, tenant }: Sender, { to, token, expiresAt }: Mailed): Letter {
  return {
    purpose: 'invitation',
    to,
    expiresAt,
    subject: 'You are invited',
    text: lines(
      `You are invited to ${nameOf(tenant)}. Choose a password here within 7 days:`,
      `${publicUrl}/accept-invitation#token=${token}`,
      'The link works once.',
    ),
  }
}

function nameOf({ name }: Sender['tenant']): string {
  return `${name} (Agent IAM)`
}

function lines(...texts: string[]): string {
  return `${texts.join('\n\n')}\n`
}
