import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { firstExcess, type Held } from './model.ts'
import { readHoldings, type Holding } from './store.ts'

/** Longest chain of agents that granted on what another agent granted: beyond it, a grant counts for nothing. */
const sourcesDepthMax = 10

/** What each of some identities holds now, and each who delegates to them: nobody's rights are more than theirs. */
export async function listHoldings(tx: Transaction, acting: readonly IdentityId[], depth = 0): Promise<Holding[]> {
  const holdings = await readHoldings(tx, acting)
  const held = await onlySupported(
    tx,
    holdings.map((holding) => holding.held),
    depth,
  )
  return holdings.map((holding, place) => ({ ...holding, held: held[place] ?? [] }))
}

/**
 * Leaves out what an agent granted and no longer has itself: a grant made from delegated rights ends with them
 * (DESIGN D6). Costs a query per such agent, and none where nothing was granted by an agent.
 */
export async function onlySupported<Granted extends Pick<Held, 'entry' | 'source'>>(
  tx: Transaction,
  held: ReadonlyArray<readonly Granted[]>,
  depth = 0,
): Promise<ReadonlyArray<readonly Granted[]>> {
  const sources = new Set(held.flatMap((each) => each.flatMap(({ source }) => source ?? [])))
  if (sources.size === 0) return held
  const supports = new Map<AgentId, (entry: string) => boolean>()
  for (const source of sources) supports.set(source, await supportOf(tx, source, depth + 1))
  return held.map((each) => each.filter(({ entry, source }) => !source || supports.get(source)?.(entry) === true))
}

async function supportOf(tx: Transaction, source: AgentId, depth: number): Promise<(entry: string) => boolean> {
  const chain = depth > sourcesDepthMax ? [] : await listHoldings(tx, [source], depth)
  if (chain.length === 0 || chain.some(({ isAttenuated }) => isAttenuated)) return () => false
  const bounds = chain.flatMap((holding) => [alwaysHeld(holding), ...(holding.lentScope ? [holding.lentScope] : [])])
  return (entry) => bounds.every((bound) => firstExcess([entry], bound) === undefined)
}

/** What is granted may be used in all circumstances, so what is held in some only does not suffice for it. */
export function alwaysHeld(holding: Holding | undefined): string[] {
  return (holding?.held ?? []).filter(({ conditions }) => !conditions).map(({ entry }) => entry)
}
