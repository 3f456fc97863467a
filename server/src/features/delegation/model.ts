import type { IdentityStatus } from '@agent-iam/contract/agents'
import { CapabilityEntry } from '@agent-iam/contract/capabilities'
import type { TreeNode } from '@agent-iam/contract/delegation'
import type { AgentId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import { toUuid } from '../../platform/ids.ts'
import { firstExcess, isLabel } from '../capabilities/model.ts'
import type { Lent, Task } from '../identities/model.ts'

/** Longest chain of actors (DESIGN D6). */
export const actorsMax = 10

/** Why a token is not exchanged: fixed words, for the client and for the log. */
export const exchangeRefusals = {
  'client-is-no-identity': 'only a service or an agent acts for others; this client is neither',
  'subject-token-invalid': 'the subject token is not a live access token of this issuer',
  'not-for-this-client':
    'the subject token was neither issued to this client, nor for a resource server that it speaks for, nor by its owner',
  'chain-too-long': `a chain has at most ${actorsMax} actors`,
  'resource-unknown': 'the resource is no registered resource server',
  'resource-not-granted': 'the subject token reaches no such resource; it can only be narrowed',
  'scope-not-granted': 'the subject token does not have that scope; it can only be narrowed',
} as const

export type ExchangeRefusal = keyof typeof exchangeRefusals

/** Thrown for whatever is not exchanged, once the refusal is on record. */
export class ExchangeRefused extends Error {
  override name = 'ExchangeRefused'
  readonly reason: ExchangeRefusal

  constructor(reason: ExchangeRefusal) {
    super(exchangeRefusals[reason])
    this.reason = reason
  }
}

/** The session that a subject token belongs to, with what the exchange rests on. */
export interface SubjectSession {
  readonly id: SessionId
  readonly identityId: IdentityId
  /** To whom it was issued. */
  readonly clientId: string
  /** Who acted before, who began first. */
  readonly actors: readonly IdentityId[]
  /** The resource server that it is for, and the scopes there. */
  readonly audience: string
  readonly scopes: readonly string[]
  /** Whose authority its credential acts with. */
  readonly delegator: IdentityId | undefined
  /** It is a login of its own, so it reaches every resource server: nothing was lent yet. */
  readonly isWhole: boolean
  /** The capability entries that it is narrowed to at our own API; undefined: it is not. */
  readonly entries: readonly string[] | undefined
  /** The Biscuit whose blocks narrow it. */
  readonly attenuation: string | undefined
}

/** What the exchange asks for; what is not said is what the subject token has. */
export interface Wanted {
  readonly resource: string | undefined
  readonly scopes: readonly string[] | undefined
}

/** A resource server as a neighbour knows it. */
export interface Target {
  readonly resource: string
  readonly scopes: readonly string[]
}

/** What the subject's session lends at the target: all that it has there, and of a whole login all there is. */
export function lentScopes(subject: SubjectSession, target: Target): readonly string[] | undefined {
  if (subject.isWhole) return target.scopes
  return subject.audience === target.resource ? subject.scopes : undefined
}

/** The scopes of the new token; undefined when more is wanted than is lent. */
export function narrowScopes(wanted: readonly string[] | undefined, lent: readonly string[]): string[] | undefined {
  const scopes = wanted ?? lent
  return scopes.every((scope) => lent.includes(scope)) ? [...new Set(scopes)] : undefined
}

/** What is lent at our own API to who asks for nothing in particular: all resources, but not the platform itself. */
const resourcesOnly = ['*:*']

/** The entries of a new session at our own API; undefined when more is wanted than is lent, or a label. */
export function lentEntries(
  wanted: readonly string[] | undefined,
  held: readonly string[] | undefined,
): string[] | undefined {
  const entries = [...new Set(wanted ?? held ?? resourcesOnly)]
  const isWithin = entries.every((entry) => CapabilityEntry.safeParse(entry).success && !isLabel(entry))
  return isWithin && (held === undefined || firstExcess(entries, held) === undefined) ? entries : undefined
}

export interface Actor {
  readonly sub: string
  readonly act?: Actor
}

/** RFC 8693 §4.1: who acts now stands outermost, who began innermost. */
export function actClaim(actors: readonly IdentityId[]): Actor | undefined {
  return actors.reduce<Actor | undefined>((act, sub) => (act ? { sub, act } : { sub }), undefined)
}

/** One identity of a chain, as it is now. */
export interface ChainMember {
  readonly id: IdentityId
  readonly kind: 'user' | 'service' | 'agent'
  readonly name: string
  readonly status: IdentityStatus
  readonly expiresAt: Date | undefined
  /** Only agents have one. */
  readonly trustScore: number | undefined
  readonly owner: IdentityId | undefined
  readonly isRoot: boolean
  /** All that it holds now, by grant and by role, in whatever circumstances. */
  readonly held: readonly string[]
  readonly lent: Lent
  readonly task: Task
}

/** When the first of a chain ends, and with it all below; undefined: none does. */
export function chainEnd(chain: readonly ChainMember[]): Date | undefined {
  const ends = chain.flatMap(({ expiresAt }) => (expiresAt ? [expiresAt.getTime()] : []))
  return ends.length === 0 ? undefined : new Date(Math.min(...ends))
}

/** How an identity is narrower than the one that lends it authority. */
export function narrowing(member: ChainMember, lender: ChainMember) {
  const { expiresAt } = member
  return {
    withheld: lender.held.filter((entry) => firstExcess([entry], member.held) !== undefined),
    endsEarlier: expiresAt !== undefined && (!lender.expiresAt || expiresAt < lender.expiresAt),
    scope: member.lent.scope ? [...member.lent.scope] : null,
    attenuated: member.lent.blocks !== undefined,
  }
}

/** One that an identity lends authority to, directly or not. */
export interface Descendant {
  readonly id: AgentId
  readonly parentUuid: string
  readonly name: string
  readonly status: IdentityStatus
  readonly expiresAt: Date | undefined
  readonly taskId: string | undefined
}

/** The tree under a root; whoever's parent is not among them, having been cut off or deleted, is left out. */
export function toTree(root: ChainMember, descendants: readonly Descendant[]): TreeNode {
  const byParent = Map.groupBy(descendants, ({ parentUuid }) => parentUuid)
  const { id, name, status, expiresAt } = root
  return nodeOf({ id, name, status, expiresAt, taskId: root.task.id })

  function nodeOf(node: Omit<Descendant, 'parentUuid' | 'id'> & { readonly id: IdentityId }): TreeNode {
    return {
      identityId: node.id,
      name: node.name,
      status: node.status,
      expiresAt: node.expiresAt?.toISOString() ?? null,
      taskId: node.taskId ?? null,
      children: (byParent.get(toUuid(node.id)) ?? []).map(nodeOf),
    }
  }
}
