import { setImmediate } from 'node:timers/promises'
import type { DecisionId, IdentityId } from '@agent-iam/contract/ids'
import type { NotExamined } from '@agent-iam/contract/simulation'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { CollectedNeeds } from '../../platform/outside-transaction.ts'
import { decodeCursor, encodeCursor, ofAnotherList } from '../../platform/paging.ts'
import { Problem } from '../../platform/problem.ts'
import { listDecisions, recordAlone, type LoggedDecision } from '../audit/service.ts'
import type { Decider } from '../authorization/service.ts'
import type { DraftDecider } from './draft-decider.ts'
import { readChanges, type Changes, type Redraft } from './drafts.ts'
import { Replay, type Outcome, type Replayed } from './replay.ts'

/** How long one answer may take: long enough for most, short enough for a person to wait. */
const budgetSeconds = 5
/** Decisions of one transaction: the embedded database serves nobody else meanwhile. */
const decisionsAtOnce = 20
/** Decisions of one answer that are looked at for those asked for. */
const scannedMax = 10_000
/** Simulations at once in one process: others need the processor more. */
const runningMax = 2

export interface SimulationInput extends Changes {
  readonly last: number
  readonly filter: DecisionFilter
  readonly cursor?: string | undefined
}

export interface DecisionFilter {
  readonly action?: string | undefined
  readonly resourceType?: string | undefined
  readonly identityId?: IdentityId | undefined
}

export interface Simulation {
  readonly examined: readonly Replayed[]
  readonly notExamined: readonly { readonly decisionId: DecisionId; readonly why: NotExamined }[]
  readonly nextCursor: string | null
}

/** Decides recorded decisions again under other policies. It records that it did, and nothing else. */
export class Simulator {
  readonly #live: Decider
  readonly #drafts: DraftDecider
  #running = 0

  constructor(live: Decider, drafts: DraftDecider) {
    this.#live = live
    this.#drafts = drafts
  }

  async simulate(ctx: Context, input: SimulationInput): Promise<Simulation> {
    const place = readPlace(input)
    // Before anything is checked, so that a stranger cannot keep us busy.
    await inTransaction(ctx, async (tx) => {
      await tx.authorize('policies:simulate', { type: 'policies' })
      await tx.authorize('audit:read', { type: 'audit' })
    })
    if (this.#running >= runningMax)
      throw new Problem('unavailable', 'other simulations are running; try again in a few seconds')
    this.#running += 1
    try {
      const redraft = await readChanges(ctx, input)
      const simulation = await this.#run(ctx, { redraft, filter: input.filter, place })
      await recordSimulation(ctx, input, simulation)
      return simulation
    } finally {
      this.#running -= 1
    }
  }

  async #run(ctx: Context, { redraft, filter, place }: Run): Promise<Simulation> {
    const until = addSeconds(ctx.clock.now(), budgetSeconds)
    const outcomes: Array<{ readonly id: DecisionId; readonly outcome: Outcome }> = []
    const replay = new Replay({ live: this.#live, draft: this.#drafts.get() }, redraft)
    let { before } = place
    for (let scanned = 0; scanned < scannedMax; scanned += decisionsAtOnce) {
      const left = place.left - outcomes.length
      const batch = await decideSome(ctx, { replay, filter, place: { before, left } })
      outcomes.push(...batch.outcomes)
      before = batch.before
      if (before === undefined || outcomes.length >= place.left) return toSimulation(outcomes, null)
      if (ctx.clock.now() >= until) break
    }
    return toSimulation(outcomes, encodeCursor([before ?? 0, place.left - outcomes.length]))
  }
}

interface Place {
  /** The sequence before which to go on; undefined: at the end of the log. */
  readonly before: number | undefined
  readonly left: number
}

interface Batch {
  readonly replay: Replay
  readonly filter: DecisionFilter
  readonly place: Place
}

type Run = Omit<Batch, 'replay'> & { readonly redraft: Redraft }

/** The next few, and where those after them begin; undefined at the beginning of the log. */
async function decideSome(ctx: Context, { replay, filter, place }: Batch) {
  return inTransaction(ctx, async (tx) => {
    const needs = new CollectedNeeds()
    const page = await listDecisions(tx, { before: place.before, limit: decisionsAtOnce })
    const outcomes: Array<{ readonly id: DecisionId; readonly outcome: Outcome }> = []
    for (const logged of page.filter((each) => isWanted(each, filter)).slice(0, place.left)) {
      const outcome = await needs.attempt(() => replay.decide(tx, logged))
      if (outcome) outcomes.push({ id: logged.id, outcome })
      await setImmediate()
    }
    needs.requireNone()
    return { outcomes, before: page.length < decisionsAtOnce ? undefined : page.at(-1)?.sequence }
  })
}

function readPlace({ cursor, last }: SimulationInput): Place {
  if (cursor === undefined) return { before: undefined, left: last }
  const [before, left] = decodeCursor(cursor, 2).map(Number)
  if (before === undefined || left === undefined) throw ofAnotherList()
  if (!Number.isSafeInteger(before) || !Number.isSafeInteger(left) || left < 1 || left > last) throw ofAnotherList()
  return { before, left }
}

function isWanted({ action, resource, chain }: LoggedDecision, filter: DecisionFilter): boolean {
  if (filter.action !== undefined && action !== filter.action) return false
  if (filter.identityId !== undefined && !chain.includes(filter.identityId)) return false
  return filter.resourceType === undefined || resource.split('/', 1)[0] === filter.resourceType
}

function toSimulation(
  outcomes: ReadonlyArray<{ readonly id: DecisionId; readonly outcome: Outcome }>,
  nextCursor: string | null,
): Simulation {
  return {
    examined: outcomes.flatMap(({ outcome }) => ('replayed' in outcome ? [outcome.replayed] : [])),
    notExamined: outcomes.flatMap(({ id: decisionId, outcome }) =>
      'notExamined' in outcome ? [{ decisionId, why: outcome.notExamined }] : [],
    ),
    nextCursor,
  }
}

async function recordSimulation(ctx: Context, input: SimulationInput, { examined }: Simulation): Promise<void> {
  const changing = examined.filter(({ live, would }) => live.decision !== would.decision)
  await recordAlone(ctx, {
    type: 'policy.simulated',
    resource: 'agent-iam/policies',
    data: {
      drafts: input.policies.map(({ name }) => name),
      policyIds: [...input.policyIds],
      without: [...input.without],
      examined: examined.length,
      wouldChange: changing.length,
    },
  })
}
