import { addressNetwork } from '../../platform/address-network.ts'
import { actorOf, type Caller, type Context } from '../../platform/context.ts'
import { defaultOf } from './defaults.ts'
import type { LimitWindow } from './model.ts'

/** Bytes are counted in units: a window that keeps each use with its time would else keep millions. */
export const logUnitBytes = 16_384

/** Callers whose bytes are not counted yet; the one that was added first goes first. It loses less than a unit each. */
const callersMax = 10_000

/**
 * Bytes that requests of each caller added to the log. They are known only once the request is over, so they count with the
 * caller's next request, in the same step; until then they are kept here. What has no room stays, and refuses the caller
 * until it has. So a caller may exceed the limit by what it has on the way at once, and makes up for it after.
 */
export class LogBytes {
  /** Addresses have a map of their own: a client with many addresses must not evict identities. */
  readonly #ofDimension = { identity: new Map<string, number>(), address: new Map<string, number>() }

  /** After a request is over. */
  add(ctx: Context): void {
    const bytes = ctx.recorded?.bytes ?? 0
    if (bytes === 0 || limitUnits(ctx) === 0) return
    const [caller, uncounted] = [callerOf(ctx), this.#uncountedOf(ctx)]
    const [first] = !uncounted.has(caller) && uncounted.size >= callersMax ? uncounted.keys() : []
    if (first !== undefined) uncounted.delete(first)
    uncounted.set(caller, (uncounted.get(caller) ?? 0) + bytes)
  }

  /** The window that a request of the caller counts in, as long as there is a unit to count. */
  windowsOf(ctx: Context): LimitWindow[] {
    const units = Math.floor((this.#uncountedOf(ctx).get(callerOf(ctx)) ?? 0) / logUnitBytes)
    if (units === 0) return []
    return logWindow(ctx).map((window) => ({ ...window, cost: Math.min(units, window.limit) }))
  }

  /** After a request was counted. */
  counted(ctx: Context, windows: readonly LimitWindow[]): void {
    const units = windows.reduce((sum, { measure, cost }) => sum + (measure === 'log-bytes' ? cost : 0), 0)
    if (units === 0) return
    const [caller, uncounted] = [callerOf(ctx), this.#uncountedOf(ctx)]
    const left = (uncounted.get(caller) ?? 0) - units * logUnitBytes
    if (left > 0) uncounted.set(caller, left)
    else uncounted.delete(caller)
  }

  #uncountedOf({ caller }: Context): Map<string, number> {
    return this.#ofDimension[countedAs(caller).dimension]
  }
}

/** The window of bytes of the caller, in units; none where nothing limits them. */
export function logWindow(ctx: Context): LimitWindow[] {
  const limit = limitUnits(ctx)
  if (limit === 0) return []
  const { dimension, subject } = countedAs(ctx.caller)
  return [
    { measure: 'log-bytes', dimension, subject, key: `log-bytes ${holderOf(ctx)}`, span: 'minute', limit, cost: 0 },
  ]
}

/** Who has not authenticated is known by address alone. */
function countedAs(caller: Caller): { dimension: 'identity' | 'address'; subject: string } {
  return caller.kind === 'anonymous'
    ? { dimension: 'address', subject: addressNetwork(caller.address) }
    : { dimension: 'identity', subject: actorOf(caller) }
}

function limitUnits({ caller, settings }: Context): number {
  const { requestsPerMinute } = defaultOf(caller, settings)
  return Math.ceil((requestsPerMinute * settings.logBytesPerRequest) / logUnitBytes)
}

function callerOf(ctx: Context): string {
  return `${ctx.caller.tenantId} ${holderOf(ctx)}`
}

function holderOf({ caller, settings }: Context): string {
  const { subject } = countedAs(caller)
  const { apart } = defaultOf(caller, settings)
  return apart === undefined ? subject : `${subject} ${apart}`
}
