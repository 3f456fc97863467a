import { platformTenantId } from '@agent-iam/contract/ids'
import type { RegistrationStatus } from '@agent-iam/contract/registrations'
import { addSeconds } from '../../platform/clock.ts'
import { asSystem, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { fromUuid } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { sha256 } from '../../platform/digest.ts'
import { recordEvent } from '../audit/service.ts'
import {
  countAnonymousRow,
  limitSender,
  passwordOwner,
  preparePassword,
  verifyPassword,
} from '../credentials/service.ts'
import { findUserByEmail } from '../identities/service.ts'
import { post, postNews } from '../mail/service.ts'
import { findTenantId, isActing } from '../tenants/service.ts'
import { confirmLetter, knownLetter } from './letters.ts'
import {
  pendingRegistrationsMax,
  registrationMailsMax,
  registrationSeconds,
  registrationsOfAddressMax,
  registrationsOfSender,
  registrationStatus,
  type Registration,
  type RegistrationId,
} from './model.ts'
import {
  countRegistrations,
  findIsOpen,
  findRegistration,
  findRegistrationForUpdate,
  insertRegistration,
  updateRegistration,
} from './store/registrations.ts'
import { findTokenSubject } from './store/tokens.ts'
import { issueToken, notGood, readToken, spendToken } from './tokens.ts'

export interface NewRegistration {
  readonly email: string
  readonly name: string
  readonly password: string
  readonly tenant: string
}

/** Takes down who wants an account. An address that has one costs the same steps, and only its owner is told, by mail. */
export async function registerUser(
  ctx: Context,
  { password, tenant, ...input }: NewRegistration,
): Promise<{ id: RegistrationId; statusToken: string }> {
  await limitSender(ctx, 'registration')
  const person = { ...input, email: input.email.toLowerCase() }
  const there = await requireTakesStrangers(ctx, tenant)
  const passwordHash = await preparePassword(there, password, { field: 'password', tenant, ...person })
  // What was refused until here does not count: who chooses a password in vain may try again.
  await limitSender(ctx, 'registrations-of-a-day', { limit: registrationsOfSender })
  return inTransaction(there, async (tx) => {
    const since = addSeconds(tx.clock.now(), -86_400)
    const { pending, pendingOfAddress, ofAddress } = await countRegistrations(tx, { email: person.email, since })
    if (pendingOfAddress >= registrationsOfAddressMax) throw askedTooOften()
    if (pending >= pendingRegistrationsMax)
      throw new Problem('unavailable', 'too many registrations wait for an administrator; try again another day')
    const isKnown = (await findUserByEmail(tx, person.email)) !== undefined
    const registration = newRegistration(tx, { ...person, passwordHash, isKnown })
    await countAnonymousRow(tx)
    await insertRegistration(tx, registration)
    if (ofAddress < registrationMailsMax) await tell(tx, registration)
    recordEvent(tx, {
      type: 'registration.received',
      resource: `agent-iam/registrations/${registration.id}`,
      personal: { subject: 'month', fields: { ...person, address: tx.caller.address } },
    })
    const { id, expiresAt } = registration
    return { id, statusToken: await issueToken(tx, 'registration-status', { subject: id, expiresAt }) }
  })
}

/** A tenant that takes no strangers is told from one that does not exist by nobody; operators are never strangers. */
async function requireTakesStrangers(ctx: Context, slug: string): Promise<Context> {
  const tenantId = await findTenantId(ctx, slug)
  const there = tenantId && tenantId !== platformTenantId ? asSystem(ctx, tenantId) : undefined
  const isOpen = there && (await inTransaction(there, takesStrangers))
  if (there && isOpen) return there
  throw new Problem(
    'forbidden',
    `there is no tenant "${slug}" that takes registrations; ask its administrator to invite`,
  )
}

async function takesStrangers(tx: Transaction): Promise<boolean> {
  return (await isActing(tx)) && ((await findIsOpen(tx)) ?? true)
}

function askedTooOften(): Problem {
  const detail = `${registrationsOfAddressMax} registrations of this address wait already; ask the administrator`
  return new Problem('too-many-attempts', detail, { retryAfterSeconds: 86_400 })
}

function newRegistration(
  tx: Transaction,
  person: Pick<Registration, 'email' | 'name' | 'passwordHash' | 'isKnown'>,
): Registration {
  const now = tx.clock.now()
  return {
    ...person,
    id: tx.newId('registration'),
    decision: 'pending',
    createdAt: now,
    expiresAt: addSeconds(now, registrationSeconds),
    confirmedAt: undefined,
    decidedAt: undefined,
    userId: undefined,
  }
}

async function tell(tx: Transaction, { id, email: to, expiresAt, isKnown }: Registration): Promise<void> {
  const token = await issueToken(tx, 'address-proof', { subject: id, expiresAt })
  if (isKnown) await postNews(tx, to, knownLetter)
  else await post(tx, (sender) => confirmLetter(sender, { to, token, expiresAt }))
}

/**
 * Confirms the address of a registration. Beside the mailed token it takes the password that was chosen: else whoever
 * registers with a foreign address would get an account of theirs confirmed by the address's owner.
 */
export async function confirmRegistration(ctx: Context, token: string, password: string): Promise<void> {
  await limitSender(ctx, 'registration')
  const { there, digest, subject } = await readToken(ctx, 'address-proof', token)
  const id = fromUuid('registration', subject)
  const found = await inTransaction(there, (tx) => findRegistration(tx, id))
  const job = passwordOwner(there, found?.email ?? id)
  if (!(await verifyPassword(job, { presented: password, stored: found?.passwordHash })))
    throw new Problem('invalid-credentials', 'this is not the password that was chosen for the registration')
  await inTransaction(there, async (tx) => {
    const registration = await findRegistrationForUpdate(tx, id)
    if (!registration) throw notGood()
    requireStillOpen(registration, tx.clock.now())
    await spendToken(tx, 'address-proof', digest)
    await updateRegistration(tx, { ...registration, confirmedAt: tx.clock.now() })
    recordEvent(tx, { type: 'registration.confirmed', resource: `agent-iam/registrations/${id}` })
  })
}

function requireStillOpen(registration: Registration, now: Date): void {
  if (registrationStatus(registration, now) !== 'pending') throw notGood()
}

/** What became of a registration, for the bearer of its status token. Of a known address it is never decided. */
export async function findRegistrationStatus(
  ctx: Context,
  id: RegistrationId,
  statusToken: string,
): Promise<RegistrationStatus> {
  const { there } = await readToken(ctx, 'registration-status', statusToken)
  return inTransaction(there, async (tx) => {
    const subject = await findTokenSubject(tx, 'registration-status', sha256(statusToken))
    const registration = await findRegistration(tx, id)
    if (!registration || subject === undefined || fromUuid('registration', subject) !== id) throw notGood()
    return registrationStatus(registration, tx.clock.now())
  })
}
