import type { TenantId } from '@agent-iam/contract/ids'
import type { Clock } from '../../platform/clock.ts'
import type { Caller, Context } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { RecentReads, type Moment, type Recent } from '../../platform/recent-reads.ts'
import { sdkTokenMethod } from './model.ts'

/** Tokens whose callers are held at once, about half a kilobyte each. */
const callersMax = 10_000

type IdentityCaller = Caller & { kind: 'identity' }

/**
 * Who presented a token a moment ago. Only for requests that end in an append that names the epoch of the caller (`asOf`),
 * as a decision does: nobody whose session has ended since gets an answer.
 */
export class RecentCallers {
  readonly #reads: RecentReads<IdentityCaller>

  constructor(clock: Clock) {
    this.#reads = new RecentReads(clock, callersMax)
  }

  /** The caller of a token, as it was looked up a moment ago; with what belongs to this request. */
  find(ctx: Context, token: string): IdentityCaller | undefined {
    const found = this.#reads.find(keyOf(token))
    if (!found) return undefined
    const { address, certificateThumbprint } = ctx.caller
    return { ...found.value, address, certificateThumbprint, asOf: found.epoch }
  }

  keep(token: string, { value: caller, epoch }: Recent<IdentityCaller>, moment: Moment): void {
    // A bound token needs a proof with each request, an attenuated one a look at its blocks, an SDK token a note of its use.
    if (caller.confirmation || caller.attenuation !== undefined || caller.method === sdkTokenMethod) return
    this.#reads.keep(caller.tenantId, keyOf(token), { value: caller, epoch, edge: caller.expiresAt }, moment)
  }

  momentOf(tenantId: TenantId): Moment {
    return this.#reads.momentOf(tenantId)
  }
}

/** Nothing that is held is good to present. */
function keyOf(token: string): string {
  return sha256(token).toString('base64url')
}
