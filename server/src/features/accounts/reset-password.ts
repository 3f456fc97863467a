import { platformTenantId, type UserId } from '@agent-iam/contract/ids'
import { tryAll } from '../../lib/try-all.ts'
import { addSeconds } from '../../platform/clock.ts'
import { asSystem, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import { recordEvent } from '../audit/service.ts'
import {
  countAnonymousRow,
  findPasswordForUpdate,
  limitSender,
  preparePassword,
  releasePassword,
} from '../credentials/service.ts'
import { findUserByEmail } from '../identities/service.ts'
import { post } from '../mail/service.ts'
import { renewPassword } from '../sessions/service.ts'
import { findTenantId } from '../tenants/service.ts'
import { ownerOf } from './change-password.ts'
import { resetLetter } from './letters.ts'
import { resetTokenSeconds, resetTokensMax, type UserView } from './model.ts'
import {
  findTenantsWithResetRequests,
  insertResetRequest,
  takeResetRequests,
  type ResetRequest,
} from './store/reset-requests.ts'
import { countTokensSince } from './store/tokens.ts'
import { findUser } from './store/users.ts'
import { issueToken, notGood, readToken, spendToken } from './tokens.ts'

/**
 * Takes down that somebody forgot a password, and no more: whose it is, if anybody's, is looked for afterwards, so the
 * answer and what it costs are the same for every address and tenant.
 */
export async function forgotPassword(
  ctx: Context,
  { email, tenant }: { email: string; tenant: string },
): Promise<void> {
  await limitSender(ctx, 'forgotten-password')
  const found = await findTenantId(ctx, tenant)
  // What is asked of no tenant is taken down in the platform's, for an address that nobody has.
  const [tenantId, asked] = found ? [found, email.toLowerCase()] : [platformTenantId, nobodys(email)]
  const there = asSystem(ctx, tenantId)
  await inTransaction(there, async (tx) => {
    const id = toUuid(tx.newId('request'))
    await countAnonymousRow(tx)
    await insertResetRequest(tx, { id, sealedEmail: tx.sealer.seal(Buffer.from(asked), placeOf(tx, id)) })
  })
}

/** As long as the address that was given, and no address at all. */
function nobodys(email: string): string {
  return ' '.repeat(Buffer.byteLength(email))
}

/** Looked into in one transaction: few enough to hold the log's head no longer than others do. */
const answeredMax = 20

/** Mails a link to those who asked and have an account. Called every second or so, by every instance. */
export async function answerResetRequests(system: Context): Promise<void> {
  const tenants = await inTransaction(asSystem(system, platformTenantId), findTenantsWithResetRequests)
  await tryAll(tenants, (tenantId) =>
    inTransaction(asSystem(system, tenantId), async (tx) => {
      for (const request of await takeResetRequests(tx, answeredMax)) await answer(tx, request)
    }),
  )
}

/** Suspended people get nothing: a new password would not let them in. */
async function answer(tx: Transaction, { id, sealedEmail }: ResetRequest): Promise<void> {
  const email = tx.sealer.open(sealedEmail, placeOf(tx, id)).toString()
  const user = await findUserByEmail(tx, email)
  if (user?.status !== 'active' || user.email === undefined) return
  const now = tx.clock.now()
  const since = addSeconds(now, -resetTokenSeconds)
  const made = await countTokensSince(tx, { purpose: 'password-reset', subject: user.id, since })
  if (made >= resetTokensMax) return
  const expiresAt = addSeconds(now, resetTokenSeconds)
  const token = await issueToken(tx, 'password-reset', { subject: user.id, expiresAt })
  const { email: to } = user
  await post(tx, (sender) => resetLetter(sender, { to, token, expiresAt }))
  recordEvent(tx, { type: 'user.password-reset-requested', resource: `agent-iam/users/${user.id}` })
}

/** Sets a new password for the bearer of a mailed link. It logs nobody in: a second factor is asked there as ever. */
export async function resetPassword(
  ctx: Context,
  { token, newPassword }: { token: string; newPassword: string },
): Promise<{ changedAt: Date }> {
  await limitSender(ctx, 'reset-token')
  const { there, digest, subject } = await readToken(ctx, 'password-reset', token)
  const id = fromUuid('user', subject)
  const user = requireActive(await inTransaction(there, (tx) => findUser(tx, id)))
  // A password that is refused leaves the link good: who chose it has shown to be the mailbox's owner.
  const hash = await preparePassword(there, newPassword, { ...ownerOf(user), field: 'newPassword' })
  return inTransaction(there, (tx) => reset(tx, { id, digest, hash }))
}

async function reset(
  tx: Transaction,
  { id, digest, hash }: { id: UserId; digest: Buffer; hash: string },
): Promise<{ changedAt: Date }> {
  // NOTE: held first, as by every change of it, then tokens, then the user: in one order, nobody waits for each other.
  await findPasswordForUpdate(tx, id)
  await spendToken(tx, 'password-reset', digest)
  const user = requireActive(await findUser(tx, id))
  // NOTE: not the second factor's: who reads somebody's mail could else guess at it again with every link.
  await releasePassword(tx, user.email)
  recordEvent(tx, { type: 'user.password-reset', actor: id, resource: `agent-iam/users/${id}` })
  return renewPassword(tx, { user, hash })
}

function requireActive(user: UserView | undefined): UserView {
  if (user?.status === 'active') return user
  throw notGood()
}

function placeOf(tx: Transaction, id: string): string {
  return `${tx.caller.tenantId}/reset_requests/email/${id}`
}
