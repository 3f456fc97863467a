import { inTransaction, type Context, type FailedLogin, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** Runs a login in a transaction of its tenant. Where its proof is not valid, the failed login is counted. */
export async function notingFailure<Result>(
  ctx: Context,
  login: FailedLogin,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  return noting(ctx, login, () => inTransaction(ctx, work))
}

/** The same for a login that is no transaction. */
export async function noting<Result>(ctx: Context, login: FailedLogin, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Problem && notValid.has(error.code)) ctx.spine.noteFailedLogin(ctx, login)
    throw error
  }
}

const notValid: ReadonlySet<string> = new Set(['invalid-credentials', 'token-revoked', 'identity-inactive', 'replayed'])
