import type { Transaction } from '../../platform/context.ts'
import { endExpiredApiKeys } from '../api-keys/service.ts'
import { endExpiredGrants } from '../capabilities/service.ts'
import { endExpiredAgentKeys, endExpiredCertificates, endExpiredEnrolmentTokens } from '../credentials/service.ts'
import { revokeDescendants, revokeExpiredAgents } from '../identities/service.ts'
import { endExpiredRoles } from '../roles/service.ts'
import { endExpiredSecrets } from '../services/service.ts'
import { endExpiredSessions, endSessionsOfStopped } from '../sessions/service.ts'

/** One kind of thing that ends by itself. */
export interface Ending {
  /** As the database names it where it tells what is due. */
  readonly kind: string
  /** Few enough for a short transaction: the tenant's log is held while it commits. */
  readonly atOnce: number
  /** The kind whose end makes work of this one. Such a call goes a step, so there is more until it found nothing. */
  readonly follows?: string
  /** Ends some; returns since when each was due. */
  readonly end: (tx: Transaction, limit: number) => Promise<Date[]>
}

/** Each of these is an event of its own, and takes more with it. */
const agentsAtOnce = 200
/** Of these one event tells. */
const sessionsAtOnce = 500

/** In the order in which they are asked: what has stopped ends what hangs on it. */
export const endings: readonly Ending[] = [
  { kind: 'agents', atOnce: agentsAtOnce, end: endAgents },
  { kind: 'settling', follows: 'agents', atOnce: agentsAtOnce, end: settle },
  { kind: 'grants', atOnce: agentsAtOnce, end: ending(endExpiredGrants) },
  { kind: 'roles', atOnce: agentsAtOnce, end: ending(endExpiredRoles) },
  { kind: 'sessions', atOnce: sessionsAtOnce, end: ending(endExpiredSessions) },
  { kind: 'agent-keys', atOnce: agentsAtOnce, end: ending(endExpiredAgentKeys) },
  { kind: 'api-keys', atOnce: agentsAtOnce, end: ending(endExpiredApiKeys) },
  { kind: 'secrets', atOnce: agentsAtOnce, end: ending(endExpiredSecrets) },
  { kind: 'certificates', atOnce: agentsAtOnce, end: ending(endExpiredCertificates) },
  { kind: 'enrolment-tokens', atOnce: agentsAtOnce, end: ending(endExpiredEnrolmentTokens) },
]

async function endAgents(tx: Transaction, limit: number): Promise<Date[]> {
  const expired = await revokeExpiredAgents(tx, limit)
  await endSessionsOfStopped(
    tx,
    expired.map(({ id }) => id),
    'agent expired',
  )
  return expired.map(({ expiresAt }) => expiresAt)
}

async function settle(tx: Transaction, limit: number): Promise<Date[]> {
  const stopped = await revokeDescendants(tx, limit)
  await endSessionsOfStopped(
    tx,
    stopped.map(({ id }) => id),
    'ancestor ended',
  )
  return stopped.map(({ since }) => since)
}

function ending(end: (tx: Transaction, limit: number) => Promise<ReadonlyArray<{ expiresAt: Date }>>): Ending['end'] {
  return async (tx, limit) => (await end(tx, limit)).map(({ expiresAt }) => expiresAt)
}
