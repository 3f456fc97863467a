import { type Agent, IdentityStatus, listAgents } from '@agent-iam/contract/agents'
import { pageRowsMax } from '@agent-iam/contract/pages'
import { AgentIamError, call } from '@agent-iam/sdk'
import type { LocalState } from '@agent-iam/sdk/local'
import { readAllPages } from '../pages.ts'
import { takeUpSession } from '../person-session.ts'
import { table } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'

/** Which agents, and in which form. */
export interface AgentsListOptions {
  readonly status?: string
  readonly json?: boolean
}

/** Lists the tenant's agents: a table for people, or a JSON document a line for programs. */
export async function agentsList(world: World, state: LocalState, options: AgentsListOptions): Promise<ExitCode> {
  const agents = await readAgents(world, state, options)
  if (options.json) for (const agent of agents) world.out(`${asciiJson(agent)}\n`)
  else if (agents.length === 0) world.out('no agents\n')
  else world.out(table(['NAME', 'AGENT ID', 'STATUS', 'TYPE', 'TRUST', 'KEY THUMBPRINT'], agents.map(row)))
  return exitCodes.ok
}

async function readAgents(world: World, state: LocalState, { status }: AgentsListOptions): Promise<Agent[]> {
  const wanted = parseStatus(status)
  const person = await takeUpSession(world, state)
  return readAllPages(async (cursor) => {
    const query = { limit: pageRowsMax, ...(wanted && { status: wanted }), ...(cursor !== null && { cursor }) }
    const { agents: rows, nextCursor } = await person.run((connection) => call(connection, listAgents, { query }))
    return { rows, nextCursor }
  })
}

function parseStatus(status: string | undefined): IdentityStatus | undefined {
  const read = IdentityStatus.optional().safeParse(status)
  if (read.success) return read.data
  throw new AgentIamError(`--status is one of ${IdentityStatus.options.join(', ')}`)
}

function row({ name, agentId, status, type, trustScore, keyThumbprint }: Agent): string[] {
  return [name, agentId, status, type, trustScore.toFixed(2), keyThumbprint ?? '-']
}

/** JSON leaves some characters that steer a terminal as they are; escaped, it means the same. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
