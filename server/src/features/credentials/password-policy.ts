/**
 * Which passwords are taken: twelve characters or more (the contract sees to it) that neither a list of common ones nor what
 * is known of the person leads to, that no list of leaked passwords contains, and none of the person's last five. One
 * function for setup, registration, invitation, change and reset.
 */
import type { UserId } from '@agent-iam/contract/ids'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { isLeakedElsewhere } from './leaked-range.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { passwordOwner } from './password-queues.ts'
import { judgePassword } from './password-strength.ts'
import { listPasswordHashes, passwordHistory } from './store/passwords.ts'

/** Whose password it is to be. */
export interface PasswordOwner {
  /** Where the password stands in the request, to be named in `errors`. */
  readonly field: 'password' | 'newPassword'
  readonly email: string
  readonly name?: string | undefined
  /** The slug that the person logs in with. */
  readonly tenant?: string | undefined
  /** Of who has a password already. */
  readonly userId?: UserId
}

/** Guesses needed: 0 none, 4 very many. 3 bears whoever has stolen a hash; online, the attempts are counted. */
const scoreMin = 3

/**
 * Checks a password that a person chose, and hashes it; `invalid-request` says what to do better. Takes long, and belongs
 * before the transaction that keeps the hash.
 */
export async function preparePassword(ctx: Context, password: string, owner: PasswordOwner): Promise<string> {
  const job = passwordOwner(ctx, owner.email)
  await requireStrong(job, password, owner)
  if (await isLeakedElsewhere(ctx, password)) throw leakedRefusal(owner)
  if (owner.userId) await requireUnused(ctx, password, { ...owner, userId: owner.userId })
  return hashPassword(job, password)
}

/** Throws `invalid-request`, with what to do better, for a password that is easy to guess or known from a leak. */
export async function requireStrong(job: JobOwner, password: string, owner: PasswordOwner): Promise<void> {
  const words = personalWords(owner)
  const found = words.find((word) => password.toLowerCase().includes(word))
  if (found !== undefined) throw refusal(owner, `holds "${found}", which is the first thing to be tried`)
  const { score, advice, isLeaked } = await judgePassword(job, password, words)
  if (isLeaked) throw leakedRefusal(owner)
  if (score < scoreMin) throw refusal(owner, ['is too easy to guess', ...advice].join('; '))
}

async function requireUnused(ctx: Context, password: string, owner: PasswordOwner & { userId: UserId }): Promise<void> {
  const hashes = await inTransaction(ctx, (tx) => listPasswordHashes(tx, owner.userId))
  const job = passwordOwner(ctx, owner.email)
  for (const stored of hashes)
    if (await verifyPassword(job, { presented: password, stored }))
      throw refusal(owner, `is one of the last ${passwordHistory}; take another`)
}

const productWords = ['agent iam', 'agent-iam', 'agentiam']
/** Shorter words are part of many others. */
const wordCharactersMin = 4

function personalWords({ email, name = '', tenant = '' }: PasswordOwner): string[] {
  const [local = '', domain = ''] = email.toLowerCase().split('@')
  const names = name.toLowerCase().split(/\s+/)
  const all = [email.toLowerCase(), local, domain, ...names, tenant.toLowerCase(), ...productWords]
  return [...new Set(all)].filter((word) => word.length >= wordCharactersMin)
}

function leakedRefusal(owner: PasswordOwner): Problem {
  return refusal(owner, 'is in lists of leaked passwords; choose one that you use nowhere else')
}

function refusal({ field }: PasswordOwner, message: string): Problem {
  return new Problem('invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })
}
