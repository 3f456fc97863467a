import type { IdentityStatus } from '@agent-iam/contract/agents'

export type ByStatus = Readonly<Record<IdentityStatus, number>>

/** What a tenant holds, at one moment. */
export interface Stats {
  readonly agents: ByStatus
  readonly users: ByStatus
  readonly services: ByStatus
  /** Live ones. */
  readonly sessions: number
  readonly policies: number
  /** Those that an administrator has yet to decide. */
  readonly registrations: number
  /** Those that nobody has accepted yet. */
  readonly invitations: number
  /** Entries of the audit log. */
  readonly events: number
}

/** Who is invited to administer a tenant. */
export interface Person {
  readonly email: string
  readonly name: string
}
