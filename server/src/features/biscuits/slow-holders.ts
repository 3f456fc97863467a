import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** An honest token never takes too long to evaluate; a busy machine may make it so once. */
const timeoutsMax = 3
const windowSeconds = 60
/** Holders that wait, of whom this instance knows; the first who came goes first. */
const holdersMax = 10_000

/**
 * Who holds tokens that take too long to evaluate, and is asked to wait. Counted over all instances; each learns of a
 * holder with the first evaluation that takes too long there.
 */
export class SlowHolders {
  readonly #waitUntil = new Map<string, Date>()

  /** Throws `too-many-attempts` for who is to wait. */
  requirePatience(ctx: Pick<Context, 'clock'>, holder: string): void {
    const until = this.#waitUntil.get(holder)
    if (!until) return
    const seconds = Math.ceil((until.getTime() - ctx.clock.now().getTime()) / 1000)
    if (seconds <= 0) this.#waitUntil.delete(holder)
    else
      throw new Problem('too-many-attempts', 'evaluating the blocks of this token took too long too often; wait', {
        retryAfterSeconds: seconds,
      })
  }

  /** Notes that an evaluation took too long. */
  async note(ctx: Pick<Context, 'clock' | 'sharedState'>, holder: string): Promise<void> {
    const count = await ctx.sharedState.count(`slow-biscuits:${holder}`, windowSeconds)
    if (count < timeoutsMax) return
    const [first] = this.#waitUntil.keys()
    if (first !== undefined && this.#waitUntil.size >= holdersMax) this.#waitUntil.delete(first)
    this.#waitUntil.set(holder, new Date(ctx.clock.now().getTime() + windowSeconds * 1000))
  }
}
