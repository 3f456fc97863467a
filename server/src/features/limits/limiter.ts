import { costOf, type Operation } from '@agent-iam/contract/operation'
import { addressNetwork } from '../../platform/address-network.ts'
import { actorOf, type Context } from '../../platform/context.ts'
import type { Pulse } from '../../platform/pulse.ts'
import { spanMs } from '../../platform/sliding-window.ts'
import { askedTypes } from './asked-types.ts'
import { Bursts, type Told } from './bursts.ts'
import { identityUse } from './defaults.ts'
import { LogBytes } from './log-bytes.ts'
import { hasRulesOn, windowsOf, type Admission, type Limits, type LimitWindow, type Use } from './model.ts'
import { Rules } from './rules.ts'

/** What an identity may do with limits in a minute, whatever they are: a limit must not keep anybody from mending it. */
const mendingLimits: Limits = { perMinute: 60, perHour: null, perDay: null }

/** Networks that are to wait, of which this instance knows; the first that came goes first. */
const waitingMax = 10_000

export interface Asking {
  readonly operation: Pick<Operation, 'id' | 'action' | 'cost'>
  /** As they were sent. */
  readonly query?: unknown
  readonly body?: unknown
}

/** Lets requests in as often as limits say. Nothing of it runs inside a transaction. */
export class Limiter {
  readonly #rules: Rules
  readonly #bursts: Bursts
  readonly #logBytes = new LogBytes()
  /** Until when a network's requests are refused without asking: what it sends costs nothing then. */
  readonly #waiting = new Map<string, { readonly admission: Admission; readonly untilMs: number }>()

  constructor(pulse: Pick<Pulse, 'of'>, told: Told) {
    this.#rules = new Rules(pulse)
    this.#bursts = new Bursts(told)
  }

  /** Counts a request that proves nobody, by its address. Undefined where nothing limits it. */
  async admitStranger(ctx: Context, operationId: string): Promise<Admission | undefined> {
    const [requests] = windowsOfStranger(ctx)
    if (!requests) return undefined
    const { key } = requests
    const windows = [requests, ...this.#logBytes.windowsOf(ctx)]
    const admission = this.#stillWaiting(ctx, key) ?? {
      windows,
      room: await ctx.sharedState.take(`address ${key}`, windows),
    }
    if (admission.room.isAllowed) this.#logBytes.counted(ctx, windows)
    else await this.#refused(ctx, admission, operationId)
    return admission
  }

  /** The refusal of what comes from where nothing may come from for now; undefined while it may. */
  async refuseWaiting(ctx: Context, operationId: string): Promise<Admission | undefined> {
    if (this.#waiting.size === 0) return undefined
    const admission = this.#stillWaiting(ctx, addressNetwork(ctx.caller.address))
    if (admission) await this.#bursts.note(ctx, admission, operationId)
    return admission
  }

  /** Counts a request of somebody known, by all that it has in common with others. Undefined where nothing limits it. */
  async admit(ctx: Context, asking: Asking): Promise<Admission | undefined> {
    const windows = [...(await this.windowsFor(ctx, asking)), ...this.#logBytes.windowsOf(ctx)]
    if (windows.length === 0) return undefined
    const room = await ctx.sharedState.take(`tenant ${ctx.caller.tenantId}`, windows)
    const admission = { windows, room }
    if (room.isAllowed) this.#logBytes.counted(ctx, windows)
    else await this.#bursts.note(ctx, admission, asking.operation.id)
    return admission
  }

  /**
   * Whether a request of somebody known has room, without counting it: for one that can be counted only once its body was
   * read. Undefined where nothing limits it.
   */
  async look(ctx: Context, operation: Asking['operation']): Promise<Admission | undefined> {
    const windows = await this.windowsFor(ctx, { operation })
    if (windows.length === 0) return undefined
    const looking = windows.map((window) => ({ ...window, cost: 0 }))
    const room = await ctx.sharedState.take(`tenant ${ctx.caller.tenantId}`, looking)
    const admission = { windows, room: { ...room, isAllowed: room.remaining.every((left) => left > 0) } }
    if (!admission.room.isAllowed) await this.#bursts.note(ctx, admission, operation.id)
    return admission
  }

  /** Takes down what a request added to the log, once it is over. */
  over(ctx: Context): void {
    this.#logBytes.add(ctx)
  }

  /** The windows that a request of the caller counts in. */
  async windowsFor(ctx: Context, { operation, query, body }: Asking): Promise<LimitWindow[]> {
    const actor = actorOf(ctx.caller)
    if (operation.action.startsWith('limits:')) return windowsOf(new Map(), [mending(actor)])
    const rules = await this.#rules.bookOf(ctx)
    const cost = costOf(operation, { query, body })
    const items = itemsOf(operation, body)
    const identity: Use = { ...identityUse(ctx.caller, ctx.settings), cost, items }
    if (rules.size === 0) return windowsOf(rules, [identity])
    const roles = hasRulesOn(rules, 'role') ? await this.#rules.rolesOf(ctx, actor) : []
    const types = hasRulesOn(rules, 'resource-type') ? askedTypes(operation.id, body) : new Map<string, number>()
    return windowsOf(rules, [
      { dimension: 'tenant', subject: ctx.caller.tenantId, cost, items },
      identity,
      ...roles.map((role): Use => ({ dimension: 'role', subject: role, holder: actor, cost, items })),
      ...[...types].map(([subject, count]): Use => ({
        dimension: 'resource-type',
        subject,
        cost: (count * cost) / items,
        items: count,
      })),
      { dimension: 'address', subject: addressNetwork(ctx.caller.address), cost, items },
    ])
  }

  async #refused(ctx: Context, admission: Admission, operationId: string): Promise<void> {
    const [first] = this.#waiting.size >= waitingMax ? this.#waiting.keys() : []
    if (first !== undefined) this.#waiting.delete(first)
    const untilMs = ctx.clock.now().getTime() + admission.room.waitMs
    this.#waiting.set(addressNetwork(ctx.caller.address), { admission, untilMs })
    await this.#bursts.note(ctx, admission, operationId)
  }

  #stillWaiting(ctx: Context, network: string): Admission | undefined {
    const found = this.#waiting.get(network)
    if (!found) return undefined
    const waitMs = found.untilMs - ctx.clock.now().getTime()
    // A clock that was put back tells no wait.
    if (waitMs > 0 && waitMs <= spanMs.minute) return { ...found.admission, room: { ...found.admission.room, waitMs } }
    this.#waiting.delete(network)
    return undefined
  }
}

/** How many items a request has, of which each counts as much as it would by itself. */
function itemsOf({ cost }: Asking['operation'], body: unknown): number {
  return cost?.each ? costOf({ cost: { each: cost.each } }, { body }) : 1
}

/** Counted apart, so that nothing else that the identity does keeps it from this. */
function mending(actor: string): Use {
  return { dimension: 'identity', subject: actor, holder: 'limits', cost: 1, unless: mendingLimits }
}

/** A stranger has nothing but an address; what the instance is configured with holds for all of them. */
function windowsOfStranger({ caller, settings }: Context): LimitWindow[] {
  const limit = settings.requestsPerAddress
  const network = addressNetwork(caller.address)
  if (limit === 0) return []
  return [{ measure: 'requests', dimension: 'address', subject: network, key: network, span: 'minute', limit, cost: 1 }]
}
