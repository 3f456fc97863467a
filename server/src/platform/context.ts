import type { EventType } from '@agent-iam/contract/event-types'
import type {
  AgentId,
  DecisionId,
  EventId,
  IdentityId,
  LogId,
  SessionId,
  EnrolmentTokenId,
  TenantId,
} from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import type { Clock } from './clock.ts'
import type { Connection, Database } from './database.ts'
import { isId, type NewId } from './ids.ts'
import type { Keys } from './keys.ts'
import type { Log } from './log.ts'
import { findOpenTransaction, NeededOutsideError, TransactionScope } from './outside-transaction.ts'
import type { OutboundFetch } from './outbound-fetch.ts'
import type { Random } from './random.ts'
import type { Sealer } from './sealing.ts'
import type { Settings } from './settings.ts'
import type { SharedState } from './shared-state.ts'

interface Origin {
  readonly tenantId: TenantId
  /** The address the request came from; empty for what the system does itself. */
  readonly address: string
  /** SHA-256 of the certificate whose key the connection proved, base64url (RFC 8705 `x5t#S256`). */
  readonly certificateThumbprint?: string | undefined
  /** The DPoP proof of the request, verified but not spent. */
  readonly dpop?: DpopProof | undefined
}

/** A DPoP proof (RFC 9449) of this very request. It is good once: whoever relies on it spends its `jti`. */
export interface DpopProof {
  /** RFC 7638 thumbprint of the key that signed it. */
  readonly thumbprint: string
  readonly jti: string
  /** SHA-256 of the access token that it was made for, base64url; undefined for a request without one. */
  readonly tokenDigest: string | undefined
  /** From then on nobody takes it, spent or not. */
  readonly expiresAt: Date
}

/** What binds tokens to a key: a JWK's thumbprint (RFC 9449) or a certificate's (RFC 8705), both base64url of SHA-256. */
export type Confirmation = { readonly jkt: string } | { readonly 'x5t#S256': string }

/** Who is asking, as the door established it. */
export type Caller = Origin &
  (
    | {
        readonly kind: 'identity'
        readonly identityId: IdentityId
        readonly sessionId: SessionId
        readonly expiresAt: Date
        /** How the session was proved, such as `password` or `api-key`. */
        readonly method: string
        /** The capability entries that the session is narrowed to; undefined: all that the identity holds. */
        readonly scope: readonly string[] | undefined
        /** The key that the session's tokens are bound to. */
        readonly confirmation: Confirmation | undefined
        /** The session by which the credential was created, where it rests on one: what it creates ends with that, too. */
        readonly source?: SessionId | undefined
        /** Who created the credential, where that was not the identity: its rights are bounded by theirs. */
        readonly delegator?: IdentityId | undefined
        /** Who acts for the identity, who began first; empty where it acts itself. */
        readonly actors: readonly IdentityId[]
        /** The OAuth client that got the session; undefined where the identity itself did. */
        readonly clientId: string | undefined
        /** What proved the identity: the id of an API key, an SDK token or a secret, or the thumbprint of a key or certificate. */
        readonly credential: string | undefined
        /** A Biscuit whose blocks narrow what is asked for: that which was presented, or one that the session keeps. */
        readonly attenuation: string | undefined
        /** The epoch under which the caller was looked up, where that was not with this request but a moment before. */
        readonly asOf?: number
      }
    | {
        readonly kind: 'enrolment-token'
        readonly enrolmentTokenId: EnrolmentTokenId
        /** The session that the token rests on, and with it what it registers. */
        readonly source: SessionId | undefined
      }
    | { readonly kind: 'anonymous' }
    | {
        readonly kind: 'system'
        /** Who sent the request that the server carries out with its own rights; the events are that caller's. */
        readonly requester?: Caller | undefined
      }
  )

/** What an authorisation is about: one of the platform's own resources, with what policies may ask of it. */
export interface ProtectedResource {
  /** The noun of the action, such as `agents`. */
  readonly type: string
  readonly id?: string
  readonly owner?: IdentityId
  readonly identity?: IdentityId
  /** Who lends an agent authority, from its parent to the root. */
  readonly ancestors?: readonly IdentityId[]
  /** The answer contains a private key that the server makes. */
  readonly returnsPrivateKey?: true
}

/** Asks the one decider for a transaction's caller. `features/authorization` implements it. */
export type Authorizer = (
  tx: Transaction,
  action: PlatformAction,
  resources: readonly ProtectedResource[],
) => Promise<void>

/** One of the platform's own actions, as `noun:verb`. */
export type PlatformAction = `${string}:${string}`

/** By what the actor of an event was authenticated. Each is there where there is one. */
export interface Authentication {
  readonly session?: SessionId | undefined
  /** The id of an API key, an SDK token, an enrolment token or a secret, or the thumbprint of a key or certificate. */
  readonly credential?: string | undefined
  /** The OAuth client that acts for the actor. */
  readonly client?: string | undefined
}

/** An event as a use case tells it; the spine adds who, when and where. */
export interface EventDraft {
  readonly type: EventType
  /** Who acted, where that is not the caller: a login is the act of whom it proves. */
  readonly actor?: IdentityId
  /** By what the actor was authenticated, where that is not the caller's: at a login, the session that it starts. */
  readonly authentication?: Authentication
  /** Of which request it is, where a transaction serves several. */
  readonly request?: Pick<Context, 'requestId' | 'traceId'>
  readonly action?: string
  readonly resource?: string
  readonly decision?: 'allow' | 'deny'
  readonly reasons?: readonly string[]
  readonly decisionId?: DecisionId
  /** The identities from the root to the one that acted; the actor alone when absent. */
  readonly chain?: readonly string[]
  readonly data?: Readonly<Record<string, Json>>
  /** Whatever tells about a person: sealed with the key of `subject`, so that the person can be forgotten. */
  readonly personal?: { readonly subject: DataSubject; readonly fields: Readonly<Record<string, Json>> }
  /**
   * Members of `data` and `personal` that are stored as they are, neither cut nor escaped: text that was validated, and that
   * somebody reads back.
   */
  readonly verbatim?: readonly string[]
  /** It takes something away, so decisions made before it may no longer be recorded. */
  readonly narrows?: boolean
}

/** Whose key seals personal fields: a person, or the tenant's month for text that may name anyone. */
export type DataSubject = IdentityId | 'month'

/** Where an event lies once it is committed. */
export interface EventRecord {
  readonly log: LogId
  readonly sequence: number
  readonly leafHash: string
}

export interface PendingEvent extends EventDraft {
  readonly id: EventId
  readonly at: Date
  /** Filled when the transaction appends, so there once `inTransaction` has returned. */
  record?: EventRecord
}

/**
 * All that a use case may reach of the outside world. It stays this small: a feature is imported, never put in here.
 */
export interface Context {
  readonly caller: Caller
  readonly requestId: string
  /** From the caller's `traceparent`, if any. */
  readonly traceId: string | undefined
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  readonly db: Database
  readonly sharedState: SharedState
  readonly keys: Keys
  readonly fetch: OutboundFetch
  readonly sealer: Sealer
  readonly settings: Settings
  readonly authorizer: Authorizer
  readonly spine: Spine
  /** What the request has added to the log so far; of a request, not of what the system does itself. */
  readonly recorded?: { bytes: number }
  /** The same request with its caller looked up anew, for who finds that too much has changed since. */
  readonly renewCaller?: () => Promise<Context>
}

/** A context inside a transaction: stores take no other. */
export interface Transaction extends Omit<Context, 'db'> {
  readonly db: Connection
  /**
   * Throws `forbidden` unless the caller may do this to what was loaded; `not-found` when it may not even read it. Of several,
   * each is decided by itself, on what is known of the caller once.
   */
  authorize(action: PlatformAction, ...resources: [ProtectedResource, ...ProtectedResource[]]): Promise<void>
  /** Events to append as the last statement. */
  readonly events: PendingEvent[]
  /** Why this transaction was allowed: the policies that permitted it, and the epoch under which they were asked. */
  readonly grounds: { policyIds: string[]; epoch: number | undefined }
}

/** A login that failed, for the log of the tenant whose account it named. */
export interface FailedLogin {
  readonly method: 'password' | 'second-factor' | 'passkey' | 'agent-proof' | 'client-proof' | 'api-key'
  /** The account that was named; undefined where the tenant has none of that name. */
  readonly account: IdentityId | undefined
}

/** The audit log as the platform needs it; `features/audit` implements it. */
export interface Spine {
  /** Appends what the transaction collected, as its last statement. Throws `StaleEpochError` when it was overtaken. */
  append(tx: Transaction): Promise<void>
  /**
   * Appends one event on its own, durable when this resolves; undefined when a narrowing overtook its epoch. Not to be
   * awaited inside a transaction.
   */
  commitAlone(ctx: Context, event: PendingEvent, epoch: number | null): Promise<EventRecord | undefined>
  /**
   * Counts a failed login in the tenant of the context. It waits for nothing, so it takes as long for an account that does
   * not exist; the event follows when the minute is over.
   */
  noteFailedLogin(ctx: Context, failed: FailedLogin): void
  /** Told what a transaction appended, once it is committed. */
  committed(tenantId: TenantId, events: readonly PendingEvent[]): void
  /**
   * Records another event in place of those that could not be stored, after a transaction failed. Does nothing when it
   * failed for another reason.
   */
  rejected(ctx: Context, events: readonly PendingEvent[], error: unknown): Promise<void>
}

/** What this was decided under has been narrowed since: decide again. */
export class StaleEpochError extends Error {
  override name = 'StaleEpochError'
}

/** A narrowing every time in so many attempts is no accident: better to say `unavailable` than to spin. */
export const staleAttemptsMax = 8

/** How often a transaction may need more that is done outside: each time it gets one result, or several, further. */
const outsideMax = 100

/**
 * Runs `work` in one transaction of the caller's tenant: what it writes, its events included, lands whole or not at
 * all. Work that a narrowing overtook is rolled back and run again, so it must do nothing outside its transaction. So is
 * work that needs something slow (`OutsideTransaction`), once that is done. Inside a transaction it joins it.
 */
export async function inTransaction<Result>(
  ctx: Context | Transaction,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  if ('events' in ctx) return work(ctx)
  // Inside another transaction that one runs again: it is open, too.
  const outer = findOpenTransaction()
  const scope = outer ?? new TransactionScope()
  for (let stale = 0, performed = 0; ;) {
    try {
      return await attempt(ctx, (commit) => (outer ? commit() : scope.run(commit)), work)
    } catch (error) {
      if (error instanceof NeededOutsideError && !outer && ++performed < outsideMax) await error.perform()
      else if (!(error instanceof StaleEpochError) || ++stale >= staleAttemptsMax) throw error
    }
  }
}

async function attempt<Result>(
  ctx: Context,
  inScope: (commit: () => Promise<Result>) => Promise<Result>,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const events: PendingEvent[] = []
  try {
    const done = await ctx.db.transaction(
      ctx.caller.tenantId,
      (db) =>
        inScope(async () => {
          const tx: Transaction = {
            ...ctx,
            db,
            authorize: (action, ...resources) => ctx.authorizer(tx, action, resources),
            events,
            grounds: { policyIds: [], epoch: undefined },
          }
          const result = await work(tx)
          if (tx.events.length > 0) await ctx.spine.append(tx)
          return result
        }),
      sourceSessionOf(ctx.caller),
    )
    if (events.length > 0) ctx.spine.committed(ctx.caller.tenantId, events)
    return done
  } catch (error) {
    if (!(error instanceof NeededOutsideError)) await ctx.spine.rejected(ctx, events, error)
    throw error
  }
}

/** The same context, acting in another tenant or as somebody else. */
export function asCaller(ctx: Context, caller: Caller): Context {
  return { ...ctx, caller }
}

/** The server's own context in a tenant, to carry out the request of the caller. */
export function asSystem(ctx: Context, tenantId: TenantId): Context {
  return asCaller(ctx, { kind: 'system', tenantId, address: ctx.caller.address, requester: ctx.caller })
}

/** Whose rights a caller's acts are the intersection of, who acts first; with each go those who lend it authority. */
export function actingOf({ identityId, actors }: Caller & { kind: 'identity' }): readonly IdentityId[] {
  return [...actors.toReversed(), identityId]
}

/**
 * Sessions with authority that is revocable apart from their identity: an OAuth client acts by a person's consent, an
 * exchanged token by its subject's, an API key until it is deleted.
 */
const delegatedMethods: ReadonlySet<string> = new Set(['oauth', 'api-key', 'token-exchange'])

/**
 * The session with which everything ends that the caller creates (DESIGN D6): a consent, a key or an exchange that is
 * revoked leaves nothing behind. Undefined where the caller acts by a login of its own.
 */
export function sourceSessionOf(caller: Caller): SessionId | undefined {
  if (caller.kind === 'enrolment-token') return caller.source
  if (caller.kind !== 'identity') return undefined
  return delegatedMethods.has(caller.method) ? caller.sessionId : caller.source
}

/** With whose authority the caller's credential acts, where that is not the caller's own. */
export function delegatorOf(caller: Caller): IdentityId | undefined {
  return caller.kind === 'identity' ? caller.delegator : undefined
}

/** The agent with which a grant of the caller ends: what an agent grants never outlives the agent. */
export function sourceAgentOf(caller: Caller): AgentId | undefined {
  return caller.kind === 'identity' && isId('agent', caller.identityId) ? caller.identityId : undefined
}

/** Whose request it is, also where the server carries it out with its own rights. Only events name that caller. */
export function requesterOf(caller: Caller): Caller {
  return caller.kind === 'system' && caller.requester ? requesterOf(caller.requester) : caller
}

/** How the caller is named where something is stored or recorded. */
export function actorOf(caller: Caller): string {
  switch (caller.kind) {
    case 'identity':
      return caller.actors.at(-1) ?? caller.identityId
    case 'enrolment-token':
      return caller.enrolmentTokenId
    case 'anonymous':
      return 'anonymous'
    case 'system':
      return 'system'
  }
}

/** By what the caller was authenticated, for the log. */
export function authenticationOf(caller: Caller): Authentication {
  if (caller.kind === 'enrolment-token') return { credential: caller.enrolmentTokenId }
  if (caller.kind !== 'identity') return {}
  return { session: caller.sessionId, credential: caller.credential, client: caller.clientId }
}
