import pg from 'pg'
import type { AgentId } from '@agent-iam/contract/ids'
import { type Administrator, registerAgent, type TestAgent } from './people.ts'

/** So many descend from whom a test stops, one from the other: with those above, the longest chain there may be. */
export const descendants = 9

/** A chain of agents that lend each other what they may do. */
export interface Tree {
  /** The one above whom a test stops, so what it keeps. */
  readonly root: TestAgent
  /** Whom a test stops. */
  readonly high: TestAgent
  /** Who stops with it, the nearest first. */
  readonly below: readonly TestAgent[]
}

let grown = 0

export async function growTree(administrator: Administrator, databaseUrl: string): Promise<Tree> {
  const number = ++grown
  const [root, high, ...below] = await Promise.all(
    Array.from({ length: descendants + 2 }, (_, depth) => registerAgent(administrator, `tree-${number}-${depth}`)),
  )
  if (!root || !high) throw new Error('a tree has a root')
  const all = [root, high, ...below]
  await lend(databaseUrl, all)
  return { root, high, below }
}

async function lend(databaseUrl: string, chain: readonly TestAgent[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  for (const [index, { id }] of chain.entries()) {
    const parent = chain[index - 1]
    if (parent)
      await client.query(`update identities set parent_id = $1, parent_kind = 'agent' where id = $2`, [
        uuidOf(parent.id),
        uuidOf(id),
      ])
  }
  await client.end()
}

function uuidOf(id: AgentId): string {
  return id.slice(id.indexOf('_') + 1)
}
