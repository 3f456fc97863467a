import type { IdentityStatus } from '@agent-iam/contract/agents'
import type { AgentId, IdentityId, SecretId, ServiceId, SessionId, UserId } from '@agent-iam/contract/ids'
import type { Caller } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import type { AssertionKey } from '../credentials/model.ts'

export interface Service {
  readonly id: ServiceId
  readonly name: string
  readonly description: string
  readonly status: IdentityStatus
  /** Who answers for it. */
  readonly owner: IdentityId
  /** Who made it. History, nothing more. */
  readonly createdBy: string
  readonly defaultScopes: readonly string[]
  /** Declared capabilities that grant nothing. */
  readonly labels: readonly string[]
  readonly expiresAt: Date | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly lastActivity: Date | undefined
}

/** A client secret. Only its digest is kept. */
export interface ServiceSecret {
  readonly id: SecretId
  /** Its first characters, to tell it by. */
  readonly prefix: string
  readonly createdBy: string
  readonly createdAt: Date
  readonly expiresAt: Date
  /** The session that created it, and with which it ends; undefined: it stands by itself. */
  readonly source: SessionId | undefined
}

/** A public key for private_key_jwt. */
export interface ServiceKey extends AssertionKey {
  readonly createdBy: string
  readonly createdAt: Date
  /** The session that created it, and with which it ends; undefined: it stands by itself. */
  readonly source: SessionId | undefined
}

/** Who may authenticate as a client: a service, or an agent by its key. The id is the client id. */
export type ClientId = ServiceId | AgentId

/** The identity that makes services in its own name; an agent makes none. */
export function requireManager(caller: Caller): UserId | ServiceId {
  if (caller.kind !== 'identity') throw new Problem('forbidden', 'log in for this')
  const { identityId } = caller
  if (isId('user', identityId) || isId('service', identityId)) return identityId
  throw new Problem('forbidden', 'an agent makes no services, and no credentials of one; its owner does')
}
