import type { AgentId, IdentityId } from '@agent-iam/contract/ids'
import { makeAgent } from './agents.ts'
import { uuidOf, type TestServer } from './test-server.ts'

/** What lies in the tables, and whom to put there, for tests of what no operation shows. */
export class Stored {
  readonly #server: TestServer

  constructor(server: TestServer) {
    this.#server = server
  }

  async statusOf(id: IdentityId): Promise<unknown> {
    return (await this.#ask('select status from identities where id = $1', [uuidOf(id)]))[0]?.['status']
  }

  /** How many rows of `table where condition`. */
  async count(what: string): Promise<unknown> {
    return (await this.#ask(`select count(*)::int as count from ${what}`))[0]?.['count']
  }

  /** One column of what hangs on an identity, in order. */
  async valuesOf(table: string, id: IdentityId, column: string): Promise<unknown[]> {
    const rows = await this.#ask(`select ${column} as value from ${table} where identity_id = $1 order by ${column}`, [
      uuidOf(id),
    ])
    return rows.map(({ value }) => value)
  }

  /** The types of the events about an agent. */
  async eventsAbout(id: AgentId): Promise<unknown[]> {
    const rows = await this.#ask('select type from audit_events where resource = $1 order by sequence', [
      `agent-iam/agents/${id}`,
    ])
    return rows.map(({ type }) => type)
  }

  /** The data of all events of a type. */
  async dataOf(type: string): Promise<Array<Record<string, unknown>>> {
    const rows = await this.#ask(
      `select resource, convert_from(leaf, 'UTF8')::jsonb->'data' as data from audit_events where type = $1 order by sequence`,
      [type],
    )
    return rows.map(({ resource, data }) => ({ resource, ...Object(data) }))
  }

  async adopt(child: AgentId, parent: AgentId): Promise<void> {
    await this.#ask(`update identities set parent_id = $2, parent_kind = 'agent' where id = $1`, [
      uuidOf(child),
      uuidOf(parent),
    ])
  }

  /** Agents below each other, from the root down. */
  async makeChain(token: string, length: number): Promise<AgentId[]> {
    const ids: AgentId[] = []
    while (ids.length < length) {
      const { id } = await makeAgent(this.#server, token)
      const parent = ids.at(-1)
      if (parent) await this.adopt(id, parent)
      ids.push(id)
    }
    return ids
  }

  /** Many at once, each like the parent but for its name. */
  async insertChildren(parent: AgentId, howMany: number): Promise<void> {
    await this.#ask(
      `insert into identities (tenant_id, id, kind, name, name_skeleton, type, status, owner_kind, owner_id, parent_id,
         parent_kind, created_by, trust_score, trust_basis, labels, metadata, created_at, updated_at)
       select tenant_id, gen_random_uuid(), kind, name || n, name_skeleton || n, type, 'active', owner_kind, owner_id, id,
         'agent', created_by, trust_score, trust_basis, labels, metadata, created_at, updated_at
       from identities, generate_series(1, $2::int) n where id = $1`,
      [uuidOf(parent), howMany],
    )
  }

  async expireAt(id: AgentId, at: Date): Promise<void> {
    await this.#ask('update identities set expires_at = $2 where id = $1', [uuidOf(id), at.toISOString()])
  }

  #ask(sql: string, parameters: readonly unknown[] = []) {
    return this.#server.database.ask(sql, parameters)
  }
}
