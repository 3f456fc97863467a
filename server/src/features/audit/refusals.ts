import { platformTenantId } from '@agent-iam/contract/ids'
import type { ProblemCode } from '@agent-iam/contract/problems'
import { actorOf, asCaller, type Context } from '../../platform/context.ts'
import { recordAlone } from './service.ts'

const minuteSeconds = 60
/** An identity's refusals are told one by one up to this many a minute; beyond, they are counted. */
export const identityRefusalsMax = 60
/** Distinct kinds of refusals that are counted at once; an attacker with more addresses fills a common row a log. */
export const countedMax = 10_000
/** Counts that are put on record at once: a few commits' worth, so that decisions need not wait behind all of them. */
const flushedAtOnce = 500

export interface Refusal {
  readonly code: ProblemCode
  /** The id of the operation, or what was asked for when it is none of ours. */
  readonly operation: string
  /** The policies that denied, where it was they. */
  readonly policyIds?: readonly string[]
}

interface Counted {
  readonly ctx: Context
  readonly refusal: Refusal
  count: number
}

/**
 * Puts every refusal on record. A stranger's go to the platform's log: the first of a code and address prefix in a
 * minute at once, all further ones of that minute together as one event with their count.
 */
export class RefusalRecorder {
  #counted = new Map<string, Counted>()

  async record(ctx: Context, refusal: Refusal): Promise<void> {
    const where = inLogOf(ctx)
    const isStranger = ctx.caller.kind === 'anonymous'
    const key = `refusal ${refusal.code} ${isStranger ? addressPrefix(ctx.caller.address) : actorOf(ctx.caller)}`
    const count = await ctx.sharedState.count(key, minuteSeconds)
    if (count <= (isStranger ? 1 : identityRefusalsMax)) await recordRefusal(where, refusal, 1)
    else this.#count(key, where, refusal)
  }

  /**
   * Records what was counted since the last time. Called every minute, and at the end; not twice at once. What could
   * not be recorded is kept for the next time.
   */
  async flush(): Promise<void> {
    const waiting = [...this.#counted]
    this.#counted = new Map()
    const errors: unknown[] = []
    while (waiting.length > 0) {
      const some = waiting.splice(0, flushedAtOnce)
      const failures = (await Promise.all(some.map((entry) => this.#flushOne(entry)))).filter(
        (one) => one !== undefined,
      )
      errors.push(...failures)
      // None went through, so the rest would not either.
      if (failures.length === some.length) break
    }
    for (const [key, counted] of waiting) this.#keep(key, counted)
    if (errors.length > 0)
      throw new Error(`${errors.length} counts of refusals were not recorded yet`, { cause: errors[0] })
  }

  /** Returns the reason when it could not be recorded. */
  async #flushOne([key, counted]: [string, Counted]): Promise<unknown> {
    try {
      await recordRefusal(counted.ctx, counted.refusal, counted.count)
      return undefined
    } catch (error) {
      this.#keep(key, counted)
      return error ?? new Error('rejected for no reason')
    }
  }

  #count(key: string, ctx: Context, refusal: Refusal): void {
    if (this.#counted.has(key) || this.#counted.size < countedMax) this.#keep(key, { ctx, refusal, count: 1 })
    else this.#keep(`overflow ${ctx.caller.tenantId} ${refusal.code}`, common(ctx, refusal))
  }

  #keep(key: string, counted: Counted): void {
    const found = this.#counted.get(key)
    if (found) found.count += counted.count
    else this.#counted.set(key, counted)
  }
}

/** A refusal of nobody in particular: a common row must not tell everyone's as the act of whoever was first. */
function common(ctx: Context, { code }: Refusal): Counted {
  const nobody = asCaller(ctx, { kind: 'anonymous', tenantId: ctx.caller.tenantId, address: '' })
  return { ctx: nobody, refusal: { code, operation: 'unknown' }, count: 1 }
}

function inLogOf(ctx: Context): Context {
  return ctx.caller.kind === 'anonymous' ? asCaller(ctx, { ...ctx.caller, tenantId: platformTenantId }) : ctx
}

async function recordRefusal(ctx: Context, { code, operation, policyIds = [] }: Refusal, count: number): Promise<void> {
  await recordAlone(ctx, {
    type: 'request.refused',
    action: operation,
    decision: 'deny',
    reasons: [code],
    data: { count, ...(policyIds.length > 0 && { policyIds: [...policyIds] }) },
    personal: { subject: 'month', fields: { addressPrefix: addressPrefix(ctx.caller.address) } },
  })
}

/** The network an address is in: /24 of IPv4, /48 of IPv6, so that one neighbour's attack is one row. */
export function addressPrefix(address: string): string {
  const ipv4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/i.exec(address)?.[1]
  if (ipv4 !== undefined) return `${ipv4}.0/24`
  if (!address.includes(':')) return address
  return `${expandIpv6(address).slice(0, 3).join(':')}::/48`
}

function expandIpv6(address: string): string[] {
  const [left = '', right] = address.split('%')[0]?.split('::') ?? []
  const head = left === '' ? [] : left.split(':')
  const tail = right === undefined || right === '' ? [] : right.split(':')
  return [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail]
}
