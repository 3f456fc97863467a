import type {
  Agent as AgentOnWire,
  IdentitySort,
  IdentityStatus,
  RiskLevel,
  TrustBasis,
} from '@agent-iam/contract/agents'
import type { AgentId, EnrolmentTokenId, IdentityId, UserId } from '@agent-iam/contract/ids'
import type { OpenObject } from '@agent-iam/contract/json'
import { kindOf } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { isLabel } from '../capabilities/model.ts'

export interface Agent {
  readonly id: AgentId
  readonly name: string
  readonly type: string
  readonly status: IdentityStatus
  /** Who answers for it. */
  readonly owner: IdentityId
  /** Who lends it authority; undefined: nobody does, and its grants are its own. */
  readonly parent: IdentityId | undefined
  readonly task: Task
  /** What the token that it was made with was narrowed to: it binds whatever the agent does. */
  readonly lent: Lent
  readonly tags: readonly string[]
  /** Raised by each change. */
  readonly revision: number
  /** Who made it: an identity, an enrolment token, or `system`. History, nothing more. */
  readonly createdBy: string
  readonly enrolmentTokenId: EnrolmentTokenId | undefined
  readonly trustScore: number
  readonly trustBasis: TrustBasis
  /** Declared capabilities that grant nothing. */
  readonly labels: readonly string[]
  readonly metadata: OpenObject
  readonly expiresAt: Date | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly lastActivity: Date | undefined
}

/** What an agent was made for, in its maker's words. */
export interface Task {
  readonly id: string | undefined
  readonly scope: string | undefined
}

/** The narrowing of a token, kept on what is made with it (DESIGN D6). */
export interface Lent {
  /** Capability entries; undefined: not narrowed. */
  readonly scope: readonly string[] | undefined
  /** A Biscuit whose blocks are evaluated with each decision. */
  readonly blocks: string | undefined
}

/** How many may stand between an identity and the root of its authority, the root counted (DESIGN D6). */
export const chainDepthMax = 10

export const noTask: Task = { id: undefined, scope: undefined }

export const notNarrowed: Lent = { scope: undefined, blocks: undefined }

export interface User {
  readonly id: UserId
  readonly name: string
  readonly email: string | undefined
  readonly status: IdentityStatus
  readonly createdAt: Date
}

/** An identity of whatever kind, with what all kinds have; what a kind has not is undefined. */
export interface AnyIdentity {
  readonly id: IdentityId
  readonly name: string
  readonly type: string
  readonly status: IdentityStatus
  readonly email: string | undefined
  readonly owner: IdentityId | undefined
  readonly parent: IdentityId | undefined
  readonly task: Task
  /** Who takes over the agents of a person who leaves. */
  readonly successor: UserId | undefined
  readonly tags: readonly string[]
  readonly labels: readonly string[]
  readonly metadata: OpenObject
  readonly trust: { readonly score: number; readonly basis: TrustBasis } | undefined
  readonly revision: number
  readonly expiresAt: Date | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly lastActivity: Date | undefined
}

/** Trust of an agent that nobody has scored yet. */
export const initialTrustScore = 0.5

/** From which trust score on the risk is at most this; below the last, CRITICAL. */
export const riskFloors = { LOW: 0.75, MEDIUM: 0.5, HIGH: 0.3 } as const

export function riskLevelOf(trustScore: number): RiskLevel {
  if (trustScore >= riskFloors.LOW) return 'LOW'
  if (trustScore >= riskFloors.MEDIUM) return 'MEDIUM'
  return trustScore >= riskFloors.HIGH ? 'HIGH' : 'CRITICAL'
}

/** From each status, those that it may change to. A revoked identity stays so: its keys may be with someone else. */
const transitions: Readonly<Record<IdentityStatus, readonly IdentityStatus[]>> = {
  pending: ['active', 'revoked', 'deleted'],
  active: ['suspended', 'revoked', 'deleted'],
  suspended: ['active', 'revoked', 'deleted'],
  revoked: ['deleted'],
  deleted: [],
}

/** Moves an identity to another status, or refuses by naming those that it may move to. */
export function changeStatus<Identity extends { readonly id: IdentityId; readonly status: IdentityStatus }>(
  identity: Identity,
  to: IdentityStatus,
  at: Date,
): Identity & { readonly updatedAt: Date } {
  const legal = transitions[identity.status]
  if (!legal.includes(to)) {
    const choice = legal.length === 0 ? 'it stays so' : `it may become ${legal.join(', ')}`
    throw new Problem('wrong-state', `${identity.id} is ${identity.status}; ${choice}`)
  }
  return { ...identity, status: to, updatedAt: at }
}

/** Refuses to change what has ended for good: who has expired is as good as revoked, and comes back by no later end. */
export function requireChangeable(
  { id, status, expiresAt }: Pick<AnyIdentity, 'id' | 'status' | 'expiresAt'>,
  now: Date,
): void {
  if (status === 'revoked' || status === 'deleted')
    throw new Problem('wrong-state', `${id} is ${status} and can no longer be changed`)
  if (expiresAt && expiresAt <= now) throw new Problem('wrong-state', `${id} has expired and can no longer be changed`)
}

export interface AgentChange {
  readonly name?: string | undefined
  readonly type?: string | undefined
  readonly capabilities?: readonly string[] | undefined
  readonly metadata?: OpenObject | undefined
  readonly tags?: readonly string[] | undefined
  /** Null: never. */
  readonly expiresAt?: Date | null | undefined
}

/** A change as the API takes it, where an end is text. */
export function readChange<Change extends { readonly expiresAt?: string | null | undefined }>(change: Change) {
  const { expiresAt } = change
  return { ...change, expiresAt: typeof expiresAt === 'string' ? new Date(expiresAt) : expiresAt }
}

/** What is given takes the place of what was there; capabilities that grant are rows of their own. */
export function applyChange(agent: Agent, change: AgentChange, at: Date): Agent {
  const { name, type, capabilities, metadata, tags, expiresAt } = change
  return {
    ...agent,
    name: name ?? agent.name,
    type: type ?? agent.type,
    metadata: metadata ?? agent.metadata,
    tags: tags ?? agent.tags,
    labels: capabilities?.filter(isLabel) ?? agent.labels,
    expiresAt: expiresAt === undefined ? agent.expiresAt : (expiresAt ?? undefined),
    updatedAt: at,
  }
}

/** Whether the second of two ends is the sooner one. */
export function isSooner(before: Date | undefined, after: Date | undefined): boolean {
  return after !== undefined && (before === undefined || after < before)
}

/** Whether a pending agent becomes active by itself: it has a key, says what it is, and is trusted at least so far. */
export function verifiesItself({ status, metadata, trustScore }: Agent, hasKey: boolean): boolean {
  return status === 'pending' && hasKey && Object.keys(metadata).length > 0 && trustScore >= riskFloors.HIGH
}

/** What a list may be sorted by, without the direction. */
export type SortedBy = 'name' | 'createdAt' | 'expiresAt' | 'lastActivity'

export function readSort(sort: IdentitySort): { by: SortedBy; isDescending: boolean } {
  const isDescending = sort.startsWith('-')
  const by = (['name', 'createdAt', 'expiresAt', 'lastActivity'] as const).find((each) => sort.endsWith(each))
  return { by: by ?? 'name', isDescending }
}

/** Where a row stands in a list of identities: what it is sorted by, as text. */
export function placeIn(sort: IdentitySort, row: Pick<Agent, SortedBy>): string {
  const { by, isDescending } = readSort(sort)
  if (by === 'name') return row.name
  // What never was, or never will be, comes last in either direction.
  return row[by]?.toISOString() ?? (isDescending ? '-infinity' : 'infinity')
}

/** An agent with what is kept beside it. */
export interface AgentView {
  readonly agent: Agent
  readonly grants: readonly string[]
  readonly keyThumbprint: string | undefined
  /** The nearest of those who lend it authority that may not act; undefined: all may. */
  readonly stoppedBy: IdentityId | undefined
}

/** As the API shows it. */
export function toWire({ agent, grants, keyThumbprint, stoppedBy }: AgentView): AgentOnWire {
  return {
    agentId: agent.id,
    name: agent.name,
    type: agent.type,
    status: agent.status,
    trustScore: agent.trustScore,
    trustBasis: agent.trustBasis,
    riskLevel: riskLevelOf(agent.trustScore),
    owner: agent.owner,
    parent: agent.parent ?? null,
    taskId: agent.task.id ?? null,
    taskScope: agent.task.scope ?? null,
    isStopped: stoppedBy !== undefined,
    stoppedBy: stoppedBy ?? null,
    capabilities: [...grants, ...agent.labels],
    metadata: agent.metadata,
    tags: [...agent.tags],
    keyThumbprint: keyThumbprint ?? null,
    createdAt: agent.createdAt.toISOString(),
    updatedAt: agent.updatedAt.toISOString(),
    expiresAt: agent.expiresAt?.toISOString() ?? null,
    lastActivity: agent.lastActivity?.toISOString() ?? null,
    revision: agent.revision,
  }
}

/** What each kind is called where it is authorised. */
export const nouns = { user: 'users', service: 'services', agent: 'agents' } as const

export function nounOf(id: IdentityId): (typeof nouns)[keyof typeof nouns] {
  return nouns[kindOf(id)]
}
