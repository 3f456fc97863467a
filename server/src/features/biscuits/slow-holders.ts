import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** An honest token never takes too long to evaluate; a busy machine may make it so once. */
const timeoutsMax = 3
const windowSeconds = 60
/** Roots and agents of which this instance knows; the first that came goes first. */
const namesMax = 10_000

/**
 * Roots whose tokens take too long to evaluate; they must wait. Counted over all instances; each learns of a root with the
 * first evaluation that takes too long there. Sessions and children count as their root, since they cost nothing.
 */
export class SlowHolders {
  readonly #waitUntil = new Map<string, Date>()
  /** The root of agents whose tokens were evaluated: a token names its agent, and the root is only known by the database. */
  readonly #rootOf = new Map<string, string>()

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

  /** The same for an agent whose root is known here. It costs no transaction. */
  requirePatienceOf(ctx: Pick<Context, 'clock'>, agent: string): void {
    const root = this.#rootOf.get(agent)
    if (root !== undefined) this.requirePatience(ctx, root)
  }

  /** Remembers the root of an agent whose token is evaluated. */
  learnRoot(agent: string, root: string): void {
    if (this.#rootOf.get(agent) === root) return
    forgetFirst(this.#rootOf)
    this.#rootOf.set(agent, root)
  }

  /** Notes that an evaluation took too long. */
  async note(ctx: Pick<Context, 'clock' | 'sharedState'>, root: string): Promise<void> {
    const count = await ctx.sharedState.count(`slow-biscuits:${root}`, windowSeconds)
    if (count < timeoutsMax) return
    forgetFirst(this.#waitUntil)
    this.#waitUntil.set(root, new Date(ctx.clock.now().getTime() + windowSeconds * 1000))
  }
}

function forgetFirst(names: Map<string, unknown>): void {
  const [first] = names.keys()
  if (first !== undefined && names.size >= namesMax) names.delete(first)
}
