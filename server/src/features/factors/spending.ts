import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'

/** Whether a factor that is good is used up, or only looked at. */
export type FactorUse = 'spend' | 'try'

/** Runs what spends a factor, and tells whether it was good. A try is rolled back, whatever came of it. */
export async function spending(
  ctx: Context,
  use: FactorUse,
  work: (tx: Transaction) => Promise<boolean>,
): Promise<boolean> {
  if (use === 'spend') return inTransaction(ctx, work)
  try {
    return await inTransaction(ctx, async (tx) => {
      throw new Tried(await work(tx))
    })
  } catch (error) {
    if (error instanceof Tried) return error.isGood
    throw error
  }
}

/** Carries the outcome of a try out of the transaction that it ends. */
class Tried extends Error {
  override name = 'Tried'
  readonly isGood: boolean

  constructor(isGood: boolean) {
    super('a factor was tried')
    this.isGood = isGood
  }
}
