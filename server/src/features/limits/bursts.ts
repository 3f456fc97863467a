import { platformTenantId } from '@agent-iam/contract/ids'
import type { LimitDimension } from '@agent-iam/contract/limits'
import { addressNetwork } from '../../platform/address-network.ts'
import { asCaller, type Context } from '../../platform/context.ts'
import { recordAlone } from '../audit/service.ts'
import { tightestOf, type Admission, type LimitWindow } from './model.ts'

/** A burst ends when this long nothing was refused. */
const quietSeconds = 60
/** Within one burst others are told that it goes on this often: each time would make every refusal wait for them. */
const toldEveryMs = 1_000
/** Bursts that this instance remembers; the first that came goes first. */
const rememberedMax = 10_000

/** Who is told of refusals for a limit. */
export interface Told {
  /** Of every one. */
  readonly onRefused: (dimension: LimitDimension) => void
  /** Of one that could not be put on record. */
  readonly onLost: () => void
}

/** Puts each burst of refusals on record once: in the tenant's log, a stranger's in the platform's. */
export class Bursts {
  readonly #told: Told
  readonly #lastMs = new Map<string, number>()

  constructor(told: Told) {
    this.#told = told
  }

  async note(ctx: Context, admission: Admission, operationId: string): Promise<void> {
    const window = tightestOf(admission)
    this.#told.onRefused(window.dimension)
    const key = `burst ${ctx.caller.tenantId} ${window.key} ${window.span}`
    if (!this.#isDue(key, ctx.clock.now().getTime())) return
    // Others may have been told up to a second before the last refusal.
    if (!(await ctx.sharedState.isFirst(key, quietSeconds + toldEveryMs / 1000))) return
    try {
      await record(ctx, window, operationId)
    } catch (error) {
      this.#told.onLost()
      ctx.log.error({ error, requestId: ctx.requestId }, 'a burst of refusals could not be recorded')
    }
  }

  #isDue(key: string, nowMs: number): boolean {
    const last = this.#lastMs.get(key)
    if (last !== undefined && Math.abs(nowMs - last) < toldEveryMs) return false
    const [first] = last === undefined && this.#lastMs.size >= rememberedMax ? this.#lastMs.keys() : []
    if (first !== undefined) this.#lastMs.delete(first)
    this.#lastMs.set(key, nowMs)
    return true
  }
}

async function record(ctx: Context, window: LimitWindow, operationId: string): Promise<void> {
  const { dimension, subject, span, limit } = window
  const isStranger = ctx.caller.kind === 'anonymous'
  const where = isStranger ? asCaller(ctx, { ...ctx.caller, tenantId: platformTenantId }) : ctx
  await recordAlone(where, {
    type: 'rate-limit.exceeded',
    action: operationId,
    decision: 'deny',
    reasons: ['rate-limited'],
    // An address is personal; what else requests have in common is not.
    data: { dimension, span, limit, ...(dimension !== 'address' && { subject }) },
    personal: { subject: 'month', fields: { network: addressNetwork(ctx.caller.address) } },
  })
}
