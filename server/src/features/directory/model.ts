import type {
  Identity as IdentityOnWire,
  IdentityChange,
  IdentityKind,
  SparseIdentity,
} from '@agent-iam/contract/identities'
import type { IdentityId } from '@agent-iam/contract/ids'
import { kindOf } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { riskLevelOf, type AnyIdentity } from '../identities/model.ts'

/** An identity of whatever kind, with what is kept beside it. */
export interface IdentityView {
  readonly identity: AnyIdentity
  readonly grants: readonly string[]
  /** The nearest of those who lend it authority that may not act. */
  readonly stoppedBy: IdentityId | undefined
}

type Field = keyof IdentityChange

/** What may change of each kind. */
const changeable: Readonly<Record<IdentityKind, readonly Field[]>> = {
  user: ['name', 'tags', 'successor'],
  service: ['name', 'description', 'tags'],
  agent: ['name', 'type', 'capabilities', 'metadata', 'tags', 'expiresAt'],
}

/** Throws for a change that identities of this kind do not know. */
export function requireKnownFields(kind: IdentityKind, change: IdentityChange): void {
  const known: readonly string[] = changeable[kind]
  const unknown = Object.keys(change).filter((field) => !known.includes(field))
  if (unknown.length === 0) return
  const message = `is nothing that changes of a ${kind}`
  throw new Problem('invalid-request', `${unknown.join(', ')}: ${message}`, {
    errors: unknown.map((field) => ({ field, message })),
  })
}

export function toWire({ identity, grants, stoppedBy }: IdentityView): IdentityOnWire {
  return {
    identityId: identity.id,
    kind: kindOf(identity.id),
    name: identity.name,
    type: identity.type,
    status: identity.status,
    ...relationsToWire(identity),
    isStopped: stoppedBy !== undefined,
    stoppedBy: stoppedBy ?? null,
    ...trustToWire(identity),
    capabilities: [...grants, ...identity.labels],
    metadata: identity.metadata,
    tags: [...identity.tags],
    createdAt: identity.createdAt.toISOString(),
    updatedAt: identity.updatedAt.toISOString(),
    expiresAt: identity.expiresAt?.toISOString() ?? null,
    lastActivity: identity.lastActivity?.toISOString() ?? null,
    revision: identity.revision,
  }
}

function relationsToWire({ email, owner, successor, parent, task }: AnyIdentity) {
  return {
    email: email ?? null,
    owner: owner ?? null,
    successor: successor ?? null,
    parent: parent ?? null,
    taskId: task.id ?? null,
    taskScope: task.scope ?? null,
  }
}

/** Only agents have a trust score. */
function trustToWire({ trust }: AnyIdentity) {
  if (!trust) return { trustScore: null, trustBasis: null, riskLevel: null }
  return { trustScore: trust.score, trustBasis: trust.basis, riskLevel: riskLevelOf(trust.score) }
}

/** Only the fields that were asked for, and those that are always there. */
export function toSparse(view: IdentityView, fields: readonly string[] | undefined): SparseIdentity {
  const whole = toWire(view)
  if (!fields) return whole
  const { identityId, kind, revision } = whole
  const chosen = Object.entries(whole).filter(([name]) => fields.includes(name))
  return { ...Object.fromEntries(chosen), identityId, kind, revision }
}
