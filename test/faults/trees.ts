import { revokeAgent } from '@agent-iam/contract/agent-life'
import { delegateAgent } from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import { call } from '@agent-iam/sdk'
import { type Administrator, allowedPrefix, registerAgent } from './people.ts'

/** What a tree is of: so many links below whom a test revokes, and so many at each. Only the first has others below it. */
export interface Shape {
  readonly links: number
  readonly each: number
}

/** As long as a chain may be, with the two above. */
export const chainShape: Shape = { links: 9, each: 1 }

/** An agent with the token that it was made with. */
export interface TreeMember {
  readonly id: AgentId
  readonly token: string
}

/** Agents that lend each other what they may do. */
export interface Tree {
  /** The one above whom a test revokes, so what it keeps. */
  readonly root: TreeMember
  /** Whom a test revokes. */
  readonly high: TreeMember
  /** Who stops with it, the nearest first. */
  readonly below: readonly TreeMember[]
}

/** What everyone in a tree holds: the right that is asked about, and that to make children. */
const held = [`${allowedPrefix}*:read`, 'agent-iam/agents*:delegate']

let grown = 0

export async function growTree(administrator: Administrator, url: string, shape: Shape): Promise<Tree> {
  const name = `tree-${++grown}`
  const agent = await registerAgent(administrator, name, held)
  const root = { id: agent.id, token: await agent.logIn(url) }
  const high = await makeChild(url, root, `${name}-high`)
  const below: TreeMember[] = []
  for (let link = 1, parent = high; link <= shape.links; link++) {
    const lender = parent
    const names = Array.from({ length: shape.each }, (_, number) => `${name}-${link}-${number}`)
    const children = await Promise.all(names.map((each) => makeChild(url, lender, each)))
    below.push(...children)
    parent = children[0] ?? parent
  }
  return { root, high, below }
}

/** Revokes an agent, and with it all that descends from it. */
export async function revoke({ token }: Administrator, url: string, { id: agentId }: TreeMember): Promise<void> {
  await call({ server: url, token }, revokeAgent, { params: { agentId }, body: { reason: 'a test of cascades' } })
}

async function makeChild(server: string, { token: lender }: TreeMember, name: string): Promise<TreeMember> {
  const body = { name, capabilities: held }
  const { agentId, token } = await call({ server, token: lender }, delegateAgent, { body })
  return { id: agentId, token: token.accessToken }
}
