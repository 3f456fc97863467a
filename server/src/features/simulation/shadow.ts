import { setImmediate } from 'node:timers/promises'
import type { TenantId } from '@agent-iam/contract/ids'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { resourceText } from '../authorization/model.ts'
import type { Answered } from '../authorization/service.ts'
import type { DraftDecider } from './draft-decider.ts'
import {
  noCounts,
  shadowExamplesMax,
  sumCounts,
  type ShadowCounts,
  type ShadowedDraft,
  type ShadowExample,
} from './model.ts'
import { shadowVerdict } from './shadow-verdict.ts'
import { addCounts, addExamples, listShadowed } from './store/shadows.ts'

/** Decisions that wait to be evaluated with drafts. Beyond these they are counted as dropped: answers come first. */
const waitingMax = 1_000
/** Tenants whose shadowed drafts are held at once. */
const tenantsMax = 1_000
/** How long counts stay in this process alone. */
const flushSeconds = 2

interface Tally {
  readonly tenantId: TenantId
  readonly draft: ShadowedDraft
  counts: ShadowCounts
  examples: ShadowExample[]
}

interface Known {
  readonly version: string
  readonly drafts: readonly ShadowedDraft[]
}

/**
 * Evaluates drafts beside what is in force, without effect, once an answer is on its way. What each instance counted is
 * added up in the database every few seconds, so the sums are of all instances.
 */
export class Shadow {
  readonly #decider: DraftDecider
  readonly #known = new Map<TenantId, Known>()
  readonly #waiting: Array<{ readonly ctx: Context; readonly answered: Answered } | (() => void)> = []
  readonly #tallies = new Map<string, Tally>()
  #draining: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()

  constructor(decider: DraftDecider) {
    this.#decider = decider
  }

  /** Takes note of an answer; costs next to nothing where no draft is shadowed, and never throws. */
  observe(ctx: Context, answered: Answered): void {
    const { tenantId } = ctx.caller
    const known = this.#known.get(tenantId)
    if (known?.version === versionOf(answered) && known.drafts.length === 0) return
    if (answered.verdict.fault) return
    if (this.#waiting.length >= waitingMax) return this.#drop(ctx, known)
    const there = asCaller(ctx, { kind: 'system', tenantId, address: '' })
    this.#waiting.push({ ctx: there, answered })
    this.#draining ??= this.#drain(ctx)
  }

  /** Waits until what was observed up to now is evaluated and counted. */
  async flush(ctx: Context): Promise<void> {
    if (this.#draining) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#flushing = this.#flushing.then(() => this.#flushAll(ctx))
    await this.#flushing
  }

  async close(ctx: Context): Promise<void> {
    await this.flush(ctx)
    clearTimeout(this.#timer)
  }

  #drop(ctx: Context, known: Known | undefined): void {
    for (const draft of known?.drafts ?? []) this.#count(ctx.caller.tenantId, draft, { ...noCounts, dropped: 1 })
    this.#flushSoon(ctx)
  }

  async #drain(ctx: Context): Promise<void> {
    for (;;) {
      // Others first: the answer itself is sent before this goes on.
      await setImmediate()
      const next = this.#waiting.shift()
      if (!next) break
      if (typeof next === 'function') next()
      else await this.#evaluate(next).catch((error: unknown) => logFailure(ctx, error, 'was not evaluated'))
    }
    this.#draining = undefined
    this.#flushSoon(ctx)
  }

  async #evaluate({ ctx, answered }: { ctx: Context; answered: Answered }): Promise<void> {
    const drafts = await this.#draftsOf(ctx, answered)
    // What was decided before a draft was shadowed may be looked at later.
    for (const draft of drafts.filter(({ startedAt }) => startedAt <= answered.question.now)) {
      const { would, isErring } = await shadowVerdict(ctx, this.#decider.get(), answered, draft)
      const live = answered.verdict.decision
      const counts = {
        evaluated: 1,
        allowToDeny: live === 'allow' && would === 'deny' ? 1 : 0,
        denyToAllow: live === 'deny' && would === 'allow' ? 1 : 0,
        erred: isErring ? 1 : 0,
        dropped: 0,
      }
      this.#count(ctx.caller.tenantId, draft, counts, would === live ? [] : toExamples(answered, would))
    }
  }

  /** They are read anew whenever policies or definitions changed: beginning and ending to shadow changes those. */
  async #draftsOf(ctx: Context, answered: Answered): Promise<readonly ShadowedDraft[]> {
    const { tenantId } = ctx.caller
    const version = versionOf(answered)
    const known = this.#known.get(tenantId)
    if (known?.version === version) return known.drafts
    const drafts = await inTransaction(ctx, listShadowed)
    this.#known.delete(tenantId)
    const [oldest] = this.#known.keys()
    if (oldest !== undefined && this.#known.size >= tenantsMax) this.#known.delete(oldest)
    this.#known.set(tenantId, { version, drafts })
    return drafts
  }

  #count(tenantId: TenantId, draft: ShadowedDraft, add: ShadowCounts, examples: readonly ShadowExample[] = []): void {
    const tally = this.#tallies.get(draft.run) ?? { tenantId, draft, counts: noCounts, examples: [] }
    tally.counts = sumCounts(tally.counts, add)
    tally.examples = [...tally.examples, ...examples].slice(-shadowExamplesMax)
    this.#tallies.set(draft.run, tally)
  }

  #flushSoon(ctx: Context): void {
    if (this.#timer || this.#tallies.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#flushing = this.#flushing.then(() => this.#flushAll(ctx))
    }, flushSeconds * 1000).unref()
  }

  async #flushAll(ctx: Context): Promise<void> {
    const tallies = [...this.#tallies.values()]
    this.#tallies.clear()
    for (const tally of tallies) {
      await store(ctx, tally).catch((error: unknown) => {
        // Kept for the next time.
        this.#count(tally.tenantId, tally.draft, tally.counts, tally.examples)
        logFailure(ctx, error, 'was not counted')
      })
    }
    this.#flushSoon(ctx)
  }
}

function logFailure(ctx: Context, error: unknown, what: string): void {
  const kind = error instanceof Error ? error.name : 'unknown'
  ctx.log.error({ error: kind }, `what a shadowed draft would have decided ${what}`)
}

async function store(ctx: Context, { tenantId, draft, counts, examples }: Tally): Promise<void> {
  await inTransaction(asCaller(ctx, { kind: 'system', tenantId, address: '' }), async (tx) => {
    // What belongs to a run that is over is of no interest.
    if (await addCounts(tx, draft, counts)) await addExamples(tx, draft.policyId, examples)
  })
}

function versionOf({ facts: { policiesVersion, definitionsVersion } }: Answered): string {
  return `${policiesVersion} ${definitionsVersion}`
}

function toExamples(
  { decisionId, facts, question, verdict }: Answered,
  would: ShadowExample['would'],
): ShadowExample[] {
  const [acting] = facts.hops
  if (!acting) return []
  const { action, resource, now: at } = question
  const live = verdict.decision
  return [{ decisionId, at, identityId: acting.id, action, resource: resourceText(resource), live, would }]
}
