import type { Creation as WireCreation, CreationId, CreationKind } from '@agent-iam/contract/creations'
import type { ServiceId, SessionId } from '@agent-iam/contract/ids'

/** What somebody else made with a person's authority, and what ends with that somebody's session, key or token. */
export interface Creation {
  readonly id: CreationId
  readonly kind: CreationKind
  readonly name: string
  /** Of which service a client secret is. */
  readonly service: ServiceId | undefined
  readonly createdAt: Date
  readonly expiresAt: Date | undefined
  readonly source: Source
}

export interface Source {
  readonly sessionId: SessionId
  readonly method: WireCreation['source']['method']
  readonly clientId: string | undefined
  readonly name: string | undefined
}

export function toWire({ id, kind, name, service, createdAt, expiresAt, source }: Creation): WireCreation {
  return {
    creationId: id,
    kind,
    name,
    serviceId: service ?? null,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    source: {
      sessionId: source.sessionId,
      method: source.method,
      clientId: source.clientId ?? null,
      name: source.name ?? null,
    },
  }
}
