/**
 * Guessing is bounded: whoever tries a password or a code is counted before the try is looked at, in the database, so that a
 * restart, another instance or many tries at once give nobody more of them. What does not exist is counted and refused
 * like what does.
 *
 * Five failures close an account for a quarter of an hour to the address they came from. From everywhere together an
 * account takes fifty in an hour, then one a minute; a device that logged in before is counted by itself, so a stranger
 * keeps nobody out of their own account for good.
 *
 * Logins that succeed are bounded too, by account and in an hour: those from known devices together, and all others
 * together. Only who has the password can use up either, so it keeps nobody else out.
 */
import { platformTenantId, type UserId } from '@agent-iam/contract/ids'
import { addressNetwork, addressSite } from '../../platform/address-network.ts'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { hmacSha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { recordAlone } from '../audit/service.ts'
import {
  countAttempt,
  deleteAttempts,
  deleteAttemptsAt,
  findEndOfFull,
  sweepAttempts,
  uncountAttempt,
  type AttemptKey,
  type AttemptLimit,
} from './store/attempts.ts'

/** Attempts from one address, whatever they name: more than a person needs, and far less than guessing does. */
export const addressLimit: AttemptLimit = { max: 10, windowSeconds: 60 }
/** Networks' worth of attempts that an IPv6 site has: it could else take another /64 for every few. */
const networksPerSite = 10
/** Failures that close something for a while. */
const failureLimit: AttemptLimit = { max: 5, windowSeconds: 900, locks: true }
/** Failures that an account takes from all addresses together. */
const accountLimit: AttemptLimit = { max: 50, windowSeconds: 3600 }
/** What it takes once those are spent. */
const slowLimit: AttemptLimit = { max: 1, windowSeconds: 60 }

/** What is being proved. A second factor is guessed only by who has the password, so it is closed to every address. */
export type AttemptPurpose = 'password' | 'second-factor'

export interface Attempt {
  readonly purpose: AttemptPurpose
  /** Names whose proof it is, known or not: `loginAccount` for a password, the user's id for what comes after. */
  readonly account: string
  /** The known device that it comes from, as `readDeviceToken` tells. */
  readonly device?: string | undefined
  /** Whether a session begins with it, so that it counts to the logins of the account once it is proved. */
  readonly isLogin?: boolean
}

/** An attempt that was counted. Once it is made, say how it ended: `attemptProved` or `attemptFailed`. */
export interface CountedAttempt extends Attempt {
  readonly place: AttemptKey
  /** Where the account's attempts from everywhere are counted; undefined when this one was not. */
  readonly everywhere: AttemptKey | undefined
  /** Whether it was the last one allowed. */
  readonly isLast: boolean
}

/** How attempts at a password name the account: by its tenant, or what was given for one, and as people do, since it need not exist. */
export function loginAccount(tenant: string, email: string): string {
  return `${tenant} ${email.toLowerCase()}`
}

/**
 * Counts an attempt that is about to be made, from the caller's address; throws `too-many-attempts` instead of letting
 * it be made. Not to be called inside a transaction: the count stands, whatever becomes of the attempt.
 */
export async function guardAttempt(ctx: Context, attempt: Attempt): Promise<CountedAttempt> {
  return inTransaction(ctx, async (tx) => {
    const account = keyedDigest(tx, 'account', attempt.account)
    const place = { account, place: keyedDigest(tx, attempt.purpose, placeOf(tx, attempt)) }
    const count = requireCounted(tx, await countAttempt(tx, place, failureLimit))
    if (attempt.isLogin) await requireLoginsLeft(tx, attempt)
    const isThrottled = attempt.purpose === 'password' && attempt.device === undefined
    const everywhere = isThrottled ? await countEverywhere(tx, account) : undefined
    await sweepAttempts(tx)
    return { ...attempt, place, everywhere, isLast: count >= failureLimit.max }
  })
}

/** Logins of an account are bounded in this span. */
const loginSeconds = 3600

/** Looked at before the password is, and counted after: wrong guesses use nothing of it up. */
async function requireLoginsLeft(tx: Transaction, attempt: Attempt): Promise<void> {
  const until = await findEndOfFull(tx, loginPlace(tx, attempt), loginLimit(tx).max)
  if (until) requireCounted(tx, { until })
}

/** A device cannot make its count anew by being known under another name: all known devices of an account are one place. */
function loginPlace(tx: Transaction, { account, device }: Attempt): AttemptKey {
  const place = device === undefined ? 'elsewhere' : 'known devices'
  return { account: keyedDigest(tx, 'logins of', account), place: keyedDigest(tx, 'logins from', place) }
}

function loginLimit({ settings }: Pick<Context, 'settings'>): AttemptLimit {
  return { max: settings.loginsPerAccount, windowSeconds: loginSeconds }
}

/** Counts a login that was proved in another way than by what can be guessed. Throws `too-many-attempts` for one too many. */
export async function countLogin(ctx: Context, attempt: Attempt): Promise<void> {
  await inTransaction(ctx, async (tx) =>
    requireCounted(tx, await countAttempt(tx, loginPlace(tx, attempt), loginLimit(tx))),
  )
}

function placeOf(tx: Transaction, { purpose, device }: Attempt): string {
  if (purpose === 'second-factor') return 'anywhere'
  return device === undefined ? `address ${addressNetwork(tx.caller.address)}` : `device ${device}`
}

async function countEverywhere(tx: Transaction, account: Buffer): Promise<AttemptKey> {
  const [place, slowPlace] = sharedPlaces(tx)
  const everywhere = { account, place }
  const counted = await countAttempt(tx, everywhere, accountLimit)
  if ('count' in counted) return everywhere
  const slow = { account, place: slowPlace }
  requireCounted(tx, await countAttempt(tx, slow, slowLimit))
  return slow
}

/** Where an account's attempts from everywhere are counted, in this order, after the place that each came from. */
function sharedPlaces(tx: Transaction): [everywhere: Buffer, slowly: Buffer] {
  return [keyedDigest(tx, 'password', 'everywhere'), keyedDigest(tx, 'password', 'everywhere, slowly')]
}

/**
 * The attempt was no guess: what failed before it from there is forgotten, and it does not count itself. Throws
 * `too-many-attempts` where it is one login of the account too many.
 */
export async function attemptProved(ctx: Context, attempt: CountedAttempt): Promise<void> {
  const counted = await inTransaction(ctx, async (tx) => {
    await deleteAttempts(tx, attempt.place)
    if (attempt.everywhere) await uncountAttempt(tx, attempt.everywhere)
    return attempt.isLogin ? countAttempt(tx, loginPlace(tx, attempt), loginLimit(tx)) : undefined
  })
  if (counted) requireCounted(ctx, counted)
}

/** The attempt was not made after all, such as for a full queue. */
export async function attemptNotMade(ctx: Context, { place, everywhere }: CountedAttempt): Promise<void> {
  await inTransaction(ctx, async (tx) => {
    await uncountAttempt(tx, place)
    if (everywhere) await uncountAttempt(tx, everywhere)
  })
}

/** It counts already; the one that closes the account to where it came from is told to the log. */
export async function attemptFailed(ctx: Context, { isLast, purpose, account }: CountedAttempt): Promise<void> {
  if (!isLast) return
  await recordAlone(ctx, {
    type: 'login.locked',
    data: { purpose, seconds: failureLimit.windowSeconds },
    personal: { subject: 'month', fields: { account, address: ctx.caller.address } },
  })
}

/** What is counted by sender alone, each with counts of its own. */
export type SentPurpose =
  | 'login'
  | 'setup'
  | 'forgotten-password'
  | 'reset-token'
  | 'registration'
  | 'registrations-of-a-day'
  | 'invitation'
  | 'device-code'

/**
 * Counts a request by where it comes from, before anything of it is looked at; throws `too-many-attempts` beyond the
 * limit. It counts in the platform's tenant, since the sender may name any.
 */
export async function limitSender(
  ctx: Context,
  purpose: SentPurpose,
  { device, limit = addressLimit }: { device?: string | undefined; limit?: AttemptLimit } = {},
): Promise<void> {
  await inTransaction(asCaller(ctx, { ...ctx.caller, tenantId: platformTenantId }), async (tx) => {
    const { address } = tx.caller
    const site = device === undefined ? addressSite(address) : undefined
    const place = keyedDigest(tx, 'sent', purpose)
    const count = async (sender: string, within: AttemptLimit) =>
      requireCounted(tx, await countAttempt(tx, { account: keyedDigest(tx, 'sender', sender), place }, within))
    await count(device === undefined ? `address ${addressNetwork(address)}` : `device ${device}`, limit)
    if (site !== undefined) await count(`site ${site}`, { ...limit, max: limit.max * networksPerSite })
    await sweepAttempts(tx)
  })
}

/** Forgets every failed attempt at a user's password; returns whether there were any. */
export async function releasePassword(tx: Transaction, email: string | undefined): Promise<boolean> {
  return email !== undefined && forget(tx, loginAccount(tx.caller.tenantId, email))
}

/** The same, and of the second factor too. */
export async function releaseUser(tx: Transaction, user: { id: UserId; email: string | undefined }): Promise<boolean> {
  const wasPasswordLocked = await releasePassword(tx, user.email)
  return (await forget(tx, user.id)) || wasPasswordLocked
}

function forget(tx: Transaction, account: string): Promise<boolean> {
  return deleteAttemptsAt(tx, keyedDigest(tx, 'account', account), sharedPlaces(tx))
}

/** A digest that only we can make: a plain one of an address or a name is found by trying them all. */
function keyedDigest({ sealer }: Transaction, kind: string, text: string): Buffer {
  return hmacSha256(sealer.derive('attempts'), `${kind} ${text}`)
}

function requireCounted({ clock }: Pick<Context, 'clock'>, counted: Awaited<ReturnType<typeof countAttempt>>): number {
  if ('count' in counted) return counted.count
  const retryAfterSeconds = Math.max(1, Math.ceil((counted.until.getTime() - clock.now().getTime()) / 1000))
  throw new Problem('too-many-attempts', `too many attempts; try again in ${retryAfterSeconds} seconds`, {
    retryAfterSeconds,
  })
}
