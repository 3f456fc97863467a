import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { firstExcess, type Held } from './model.ts'
import { readHoldings, type Holding } from './store.ts'

/**
 * Most agents that are looked up for one question about what agents granted: beyond, a grant counts for nothing. An honest
 * tenant has a handful; a hostile one would keep a connection busy with thousands.
 */
const agentsLookedUpMax = 50

/** Whether an agent has an entry, by the agents that were looked up already; those on the way support nothing. */
type Supports = Map<AgentId, Promise<(entry: string) => boolean>>

/** What each of some identities holds now, and each who delegates to them: nobody's rights are more than theirs. */
export async function listHoldings(
  tx: Transaction,
  acting: readonly IdentityId[],
  supports: Supports = new Map(),
): Promise<Holding[]> {
  const holdings = await readHoldings(tx, acting)
  const held = await onlySupported(
    tx,
    holdings.map((holding) => holding.held),
    supports,
  )
  return holdings.map((holding, place) => ({ ...holding, held: held[place] ?? [] }))
}

/**
 * Leaves out what an agent granted and no longer has itself: a grant made from delegated rights ends with them
 * (DESIGN D6). Costs two queries for each such agent, and none where nothing was granted by an agent.
 */
export async function onlySupported<Granted extends Pick<Held, 'entry' | 'source'>>(
  tx: Transaction,
  held: ReadonlyArray<readonly Granted[]>,
  supports: Supports = new Map(),
): Promise<ReadonlyArray<readonly Granted[]>> {
  const sources = new Set(held.flatMap((each) => each.flatMap(({ source }) => source ?? [])))
  if (sources.size === 0) return held
  const has = new Map<AgentId, (entry: string) => boolean>()
  for (const source of sources) has.set(source, await supportOf(tx, source, supports))
  return held.map((each) => each.filter(({ entry, source }) => !source || has.get(source)?.(entry) === true))
}

const supportsNothing = () => false

async function supportOf(tx: Transaction, source: AgentId, supports: Supports): Promise<(entry: string) => boolean> {
  const known = supports.get(source)
  if (known) return known
  if (supports.size >= agentsLookedUpMax) return supportsNothing
  // Until it is known, it supports nothing: two agents that grant each other the same have it from nobody.
  supports.set(source, Promise.resolve(supportsNothing))
  const support = await lookUp(tx, source, supports)
  supports.set(source, Promise.resolve(support))
  return support
}

async function lookUp(tx: Transaction, source: AgentId, supports: Supports): Promise<(entry: string) => boolean> {
  const chain = await listHoldings(tx, [source], supports)
  if (chain.length === 0 || chain.some(({ isAttenuated }) => isAttenuated)) return supportsNothing
  const bounds = chain.flatMap((holding) => [alwaysHeld(holding), ...(holding.lentScope ? [holding.lentScope] : [])])
  return (entry) => bounds.every((bound) => firstExcess([entry], bound) === undefined)
}

/** What is granted may be used in all circumstances, so what is held in some only does not suffice for it. */
export function alwaysHeld(holding: Holding | undefined): string[] {
  return (holding?.held ?? []).filter(({ conditions }) => !conditions).map(({ entry }) => entry)
}
