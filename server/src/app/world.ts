import type { GroupCommitter } from '../features/audit/committer.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/database.ts'
import type { Log } from '../platform/log.ts'
import type { OutboundFetch } from '../platform/outbound-fetch.ts'
import type { Random } from '../platform/random.ts'
import type { Sealer } from '../platform/sealing.ts'
import type { Settings } from '../platform/settings.ts'
import type { MailTransport } from '../platform/smtp.ts'
import type { SharedState } from '../platform/shared-state.ts'

/** The outside world, as it really is or as a test wants it. */
export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly db: Database
  readonly sharedState: SharedState
  /** How many instances live; without it, this one alone. */
  readonly instances?: () => number
  readonly sealer: Sealer
  /** What the operator decided; the defaults when absent. */
  readonly settings?: Settings
  readonly fetch: OutboundFetch
  /** Where mail leaves us; without it, it waits in the outbox for an administrator. */
  readonly mail?: MailTransport | undefined
  /** Replaced by tests only, to show what they would see without it. */
  readonly committer?: GroupCommitter
}
