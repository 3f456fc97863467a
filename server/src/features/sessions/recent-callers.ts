import type { Clock } from '../../platform/clock.ts'
import type { Caller, Context } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import type { Beat, Pulse } from '../../platform/pulse.ts'
import { RecentReads } from '../../platform/recent-reads.ts'
import { sdkTokenMethod } from './model.ts'

/** Tokens whose callers are held at once, about half a kilobyte each. */
const callersMax = 10_000

type IdentityCaller = Caller & { kind: 'identity' }

/**
 * Who presented a token before. Only for requests that end in an append that names the epoch of the caller (`asOf`), as a
 * decision does: nobody whose session has ended since gets an answer.
 */
export class RecentCallers {
  readonly #reads: RecentReads<IdentityCaller>

  constructor(pulse: Pulse, clock: Clock) {
    this.#reads = new RecentReads({ pulse, clock, entriesMax: callersMax })
  }

  /** The caller of a token, as it was looked up before; with what belongs to this request. */
  async find(ctx: Context, token: string): Promise<IdentityCaller | undefined> {
    // Here are only tokens that are bound to no key: one that comes with a proof is refused, by who looks it up.
    if (ctx.caller.dpop) return undefined
    const found = await this.#reads.find(keyOf(token))
    if (!found) return undefined
    const { address, certificateThumbprint } = ctx.caller
    return { ...found.value, address, certificateThumbprint, asOf: found.epoch }
  }

  keep(token: string, caller: IdentityCaller, beat: Beat): void {
    // A bound token needs a proof with each request, an attenuated one a look at its blocks, an SDK token a note of its use.
    if (caller.confirmation || caller.attenuation !== undefined || caller.method === sdkTokenMethod) return
    this.#reads.keep(caller.tenantId, keyOf(token), { value: caller, ...beat, edge: caller.expiresAt })
  }
}

/** Nothing that is held is good to present. */
function keyOf(token: string): string {
  return sha256(token).toString('base64url')
}
