import { asSystem, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { newSecret } from '../../platform/random.ts'
import { isActing } from '../tenants/service.ts'
import { tokenPrefixes, type TokenPurpose } from './model.ts'
import { findTokenSubject, findTokenTenant, insertToken, useToken, type TokenSubject } from './store/tokens.ts'

/** Makes a secret that is good once; only its digest is kept. */
export async function issueToken(
  tx: Transaction,
  purpose: TokenPurpose,
  { subject, expiresAt }: { subject: TokenSubject; expiresAt: Date },
): Promise<string> {
  const token = newSecret(tx.random, tokenPrefixes[purpose])
  await insertToken(tx, { digest: sha256(token), purpose, subject, expiresAt })
  return token
}

/** What a token that was presented is good for. */
export interface Presented {
  /** The context in the token's tenant: the act is the system's, until it is known whose it is. */
  readonly there: Context
  readonly digest: Buffer
  /** The UUID of whom it is about. */
  readonly subject: string
}

/** Throws `invalid-token`, in the same words for every reason. It is not spent yet. */
export async function readToken(ctx: Context, purpose: TokenPurpose, token: string): Promise<Presented> {
  const digest = sha256(token)
  const tenantId = await inTransaction(ctx, (tx) => findTokenTenant(tx, digest))
  if (!tenantId) throw notGood()
  const there = asSystem(ctx, tenantId)
  const subject = await inTransaction(there, async (tx) =>
    (await isActing(tx)) ? findTokenSubject(tx, purpose, digest) : undefined,
  )
  if (subject === undefined) throw notGood()
  return { there, digest, subject }
}

/** Spends it; of two who use it at once, one succeeds. */
export async function spendToken(tx: Transaction, purpose: TokenPurpose, digest: Buffer): Promise<void> {
  if (!(await useToken(tx, purpose, digest))) throw notGood()
}

/** The same words for every reason. */
export function notGood(): Problem {
  return new Problem('invalid-token', 'the link was used, has expired, or is none of ours; ask for a new one')
}
