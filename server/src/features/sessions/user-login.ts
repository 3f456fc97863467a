/**
 * A person's login by password. What does not exist takes the same steps as what does and is refused in the same words;
 * that an identity is suspended, or must change its password, is told only to who has proved to be it.
 */
import type { UserLogin } from '@agent-iam/contract/auth'
import { platformTenantId, type UserId } from '@agent-iam/contract/ids'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import {
  attemptFailed,
  attemptNotMade,
  attemptProved,
  findImportedHash,
  findPassword,
  findPasswordForUpdate,
  guardAttempt,
  hashPassword,
  limitSender,
  loginAccount,
  logins,
  makeDeviceToken,
  needsRehash,
  passwordOwner,
  preparePassword,
  readDeviceToken,
  updatePasswordHash,
  verifyPassword,
} from '../credentials/service.ts'
import { requireSecondFactor, type LoginProof } from '../factors/service.ts'
import type { User } from '../identities/model.ts'
import { findUserByEmail, lockIdentity } from '../identities/service.ts'
import { findTenantId } from '../tenants/service.ts'
import { signTokens, type TokenPair } from '../tokens/service.ts'
import { notProved } from './agent-login.ts'
import { requireActive } from './model.ts'
import { boundKey } from './possession.ts'
import { renewPassword } from './renew-password.ts'
import { startSession } from './start.ts'

/** With how to know the device again, and what the session is narrowed to. */
export type UserTokens = TokenPair & { readonly deviceToken: string; readonly scope?: readonly string[] }

/** Logs in a person. */
export async function loginUser(ctx: Context, login: UserLogin): Promise<UserTokens> {
  const proved = await proveUser(ctx, login)
  const grant = await inTransaction(proved.there, async (tx) => {
    const id = await admitUser(tx, proved)
    return startSession(tx, id, { ...proved.proof, confirmation: await boundKey(tx) })
  })
  const { deviceToken, proof } = proved
  return { ...(await signTokens(ctx, grant)), deviceToken, ...(proof.scope && { scope: proof.scope }) }
}

/** A person who has shown all that a login asks for. Who lets them in calls `admitUser`, in the transaction that does so. */
export interface ProvedUser {
  /** The context in the person's tenant. */
  readonly there: Context
  readonly user: User
  /** How it was proved, and what may be begun with it: NOTE: who has yet to enrol a factor may do nothing else. */
  readonly proof: LoginProof
  /** The hash that the password was compared with. */
  readonly provedHash: string
  readonly change: PasswordChange | undefined
  readonly deviceToken: string
}

interface PasswordChange {
  readonly hash: string
  /** Whether it is of another password, and not only made anew. */
  readonly isNewPassword: boolean
}

/** Proves a person. Hashing happens outside transactions: it takes long, and needs no connection. */
export async function proveUser(ctx: Context, login: UserLogin): Promise<ProvedUser> {
  const found = await findTenantId(ctx, login.tenant)
  // An unknown tenant is looked for in the platform's, and is nobody's there: it costs the same.
  const there = asCaller(ctx, { ...ctx.caller, tenantId: found ?? platformTenantId })
  const account = loginAccount(found ?? `no tenant ${login.tenant}`, login.email)
  const device = readDeviceToken(there, account, login.deviceToken)
  // Who sends too much waits for no turn, so that others get theirs.
  await limitSender(there, 'login', { device })
  const isTenant = found !== undefined
  const owner = passwordOwner(there, account, found ?? noTenant)
  const { user, password } = await logins.run(owner, login.password.length, () =>
    provePassword(there, login, { account, device, isTenant, owner }),
  )
  requireActive({ status: user.status, expiresAt: undefined }, ctx.clock.now())
  // After the password, and before anything is told or changed that the second factor guards.
  const newHash = await newPasswordHash(there, login, { user, password })
  const proof = await requireSecondFactor(there, user.id, login.secondFactor)
  return {
    there,
    user,
    proof,
    provedHash: password.hash,
    change: newHash === undefined ? await madeAnew(owner, login, password) : { hash: newHash, isNewPassword: true },
    deviceToken: makeDeviceToken(ctx, account, device),
  }
}

/** Logins to tenants that do not exist have a share of their own: they keep nobody waiting. */
const noTenant = 'no tenant'

interface Known {
  readonly user: User
  readonly password: { readonly hash: string; readonly mustChange: boolean }
}

interface Proving {
  readonly account: string
  readonly device: string | undefined
  readonly isTenant: boolean
  readonly owner: JobOwner
}

/** Throws `invalid-credentials` unless the password is that of the account, and `too-many-attempts` before it is looked at. */
async function provePassword(
  there: Context,
  { email, password: presented }: UserLogin,
  { account, device, isTenant, owner }: Proving,
): Promise<Known> {
  const attempt = await guardAttempt(there, { purpose: 'password', account, device, isLogin: true })
  const { user, password, decoy } = await findAccount(there, email)
  const isProved = await verifyPassword(owner, { presented, stored: password?.hash, decoy }).catch(
    async (error: unknown) => {
      await attemptNotMade(there, attempt)
      throw error
    },
  )
  if (!isTenant || !user || !password || !isProved) {
    await attemptFailed(there, attempt)
    if (isTenant) there.spine.noteFailedLogin(there, { method: 'password', account: user?.id })
    throw notProved()
  }
  await attemptProved(there, attempt)
  return { user, password }
}

/** The id of no user. */
const nobody: UserId = `usr_${'0'.repeat(32)}`

async function findAccount(there: Context, email: string) {
  return inTransaction(there, async (tx) => {
    const user = await findUserByEmail(tx, email.toLowerCase())
    // Nobody's password is looked for as well: an unknown address must cost what a known one does.
    const password = await findPassword(tx, user?.id ?? nobody)
    return { user, password, decoy: await findImportedHash(tx) }
  })
}

/**
 * The hash of the new password, where one is due; throws what is wrong with it, or that it lacks. The second factor is only
 * tried before that: what is asked and why is told to nobody without it, and the code is good for the login that follows.
 */
async function newPasswordHash(
  there: Context,
  { newPassword, tenant, secondFactor }: UserLogin,
  { user, password }: Known,
): Promise<string | undefined> {
  if (!password.mustChange && newPassword === undefined) return undefined
  await requireSecondFactor(there, user.id, secondFactor, 'try')
  if (!password.mustChange) throw notAsked()
  if (newPassword === undefined)
    throw new Problem('password-change-required', 'choose a new password, and send it as newPassword beside this one')
  const owner = { field: 'newPassword' as const, email: user.email ?? '', name: user.name, tenant, userId: user.id }
  return preparePassword(there, newPassword, owner)
}

/** A better hash of the same password, where it has one of another time. */
async function madeAnew(owner: JobOwner, { password: presented }: UserLogin, { hash }: Known['password']) {
  return needsRehash(hash, presented) ? { hash: await hashPassword(owner, presented), isNewPassword: false } : undefined
}

function notAsked(): Problem {
  const message = 'no change is due at this login; log in without it, and change the password after'
  return new Problem('invalid-request', `newPassword: ${message}`, { errors: [{ field: 'newPassword', message }] })
}

/**
 * Lets in who was proved, unless that ended meanwhile: the password is held, then the identity, so that a change of either
 * comes before or after, and after it ends what is begun here.
 */
export async function admitUser(
  tx: Transaction,
  { user: { id, email }, provedHash, change }: ProvedUser,
): Promise<UserId> {
  const stored = await findPasswordForUpdate(tx, id)
  if (stored?.hash !== provedHash) throw notProved()
  // NOTE: before the identity is held, since it ends links as well: whoever suspends holds those first.
  if (change?.isNewPassword) await renewPassword(tx, { user: { id, email }, hash: change.hash })
  else if (change) await updatePasswordHash(tx, id, change.hash)
  await lockIdentity(tx, id)
  const user = await findUserByEmail(tx, email ?? '')
  if (user?.id !== id) throw notProved()
  requireActive({ status: user.status, expiresAt: undefined }, tx.clock.now())
  return id
}
