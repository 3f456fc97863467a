import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** An honest token never takes too long to evaluate; a busy machine may make it so once. */
const timeoutsMax = 3
const windowSeconds = 60
/** Roots that wait, of which this instance knows; the first that came goes first. */
const rootsMax = 10_000

/**
 * Roots whose tokens take too long to evaluate; they must wait. Counted over all instances; each learns of a root with the
 * first evaluation that takes too long there. Sessions and children count as their root, since they cost nothing.
 */
export class SlowHolders {
  readonly #waitUntil = new Map<string, Date>()

  /** Throws `too-many-attempts` for who is to wait. */
  requirePatience(ctx: Pick<Context, 'clock'>, root: string): void {
    const until = this.#waitUntil.get(root)
    if (!until) return
    const seconds = Math.ceil((until.getTime() - ctx.clock.now().getTime()) / 1000)
    if (seconds <= 0) this.#waitUntil.delete(root)
    else
      throw new Problem('too-many-attempts', 'evaluating the blocks of this token took too long too often; wait', {
        retryAfterSeconds: seconds,
      })
  }

  /** Notes that an evaluation took too long. */
  async note(ctx: Pick<Context, 'clock' | 'sharedState'>, root: string): Promise<void> {
    const count = await ctx.sharedState.count(`slow-biscuits:${root}`, windowSeconds)
    if (count < timeoutsMax) return
    const [first] = this.#waitUntil.keys()
    if (first !== undefined && this.#waitUntil.size >= rootsMax) this.#waitUntil.delete(first)
    this.#waitUntil.set(root, new Date(ctx.clock.now().getTime() + windowSeconds * 1000))
  }
}
