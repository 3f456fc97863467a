// The assembly: the one place that knows everything.
import { createDecider, createWhatIf, type Watch } from './app/deciding.ts'
import { routesOf } from './app/routes.ts'
import type { World } from './app/world.ts'
import { createAuthorizer, createDerivedGuard, type Decider } from './features/authorization/service.ts'
import { AuditSpine, sealedDataKeys } from './features/audit/service.ts'
import { GroupCommitter } from './features/audit/committer.ts'
import { FailedLogins } from './features/audit/failed-logins.ts'
import { RefusalRecorder } from './features/audit/refusals.ts'
import { answerResetRequests } from './features/accounts/service.ts'
import { sealedPayloads } from './features/clients/service.ts'
import { Expiry } from './features/expiry/service.ts'
import { sealedTotpSecrets } from './features/factors/service.ts'
import { attendToKeys, KeyRing, sealedSigningKeys } from './features/keys/service.ts'
import { Limiter } from './features/limits/service.ts'
import { Postman } from './features/mail/service.ts'
import { simulationRoutes } from './features/simulation/routes.ts'
import { absorbAllUses } from './features/simulation/service.ts'
import { RecentCallers } from './features/sessions/service.ts'
import { SessionUses } from './features/sessions/uses.ts'
import { sweepSessions } from './features/sessions/sweep.ts'
import { sweepStatusLists } from './features/status-lists/service.ts'
import { checkMasterKey, ensureFoundations } from './features/setup/service.ts'
import { platformTenantId, type TenantId } from '@agent-iam/contract/ids'
import type { FastifyInstance } from 'fastify'
import type { SecureContextOptions } from 'node:tls'
import type { Context, Spine } from './platform/context.ts'
import { idGenerator } from './platform/ids.ts'
import { Lease } from './platform/lease.ts'
import { isEveryday, Pulse } from './platform/pulse.ts'
import { Resealing } from './platform/resealing.ts'
import { refreshSkeletons } from './platform/skeleton-refresh.ts'
import type { Route } from './platform/route.ts'
import { defaultSettings } from './platform/settings.ts'
import { Telemetry } from './platform/telemetry.ts'
import { LargeBodies } from './transport/body/large-bodies.ts'
import { createHttpServer } from './transport/http.ts'
import { mountOauth } from './transport/oauth/mount.ts'
import { certificateReader } from './transport/peer-certificate.ts'

interface Door {
  readonly publicUrl: string
  readonly isLoopback: boolean
  readonly metricsToken: string | undefined
  readonly trustedProxies: readonly string[]
  readonly dpopNonce: 'required' | 'optional'
  readonly clientCertificateHeader: string | undefined
  /** With it the server itself speaks TLS. */
  readonly tls: SecureContextOptions | undefined
}

export interface App {
  readonly http: FastifyInstance
  readonly defaultTenantId: TenantId
  /** The system's own context, for start and jobs. */
  readonly system: Context
  readonly routes: readonly Route[]
  /** Records what was only counted so far. Every minute, and at the end. */
  flush(): Promise<void>
  /** Mails what waits. Every second or so. */
  deliverMail(): Promise<void>
  /** Ends what has run out, where no other instance does. Every second: it is to be late by few. */
  endExpired(): Promise<void>
  /** Does what the clock asks for. Every minute; a while late is early enough for all of it. */
  tend(): Promise<void>
  close(): Promise<void>
}

/** Puts the server together over a migrated database, and makes what the first start makes. */
export async function createApp(world: World, door: Door): Promise<App> {
  const committer = world.committer ?? new GroupCommitter(world.db)
  const [refusals, failedLogins] = [new RefusalRecorder(), new FailedLogins()]
  const sessionUses = new SessionUses()
  const telemetry = new Telemetry(
    () => committer.lag,
    async () => (await world.sharedState.health()).status === 'ok',
  )
  const pulse = new Pulse(world.db, world.clock)
  const { decider, engine } = createDecider(world, { telemetry, pulse })
  const base = createBase(world, { decider, spine: createSpine(committer, pulse, failedLogins) })
  const defaultTenantId = await prepare(base)
  const system: Context = { ...base, keys: new KeyRing(door.publicUrl, defaultTenantId, () => system) }
  const postman = new Postman(world.mail, answerResetRequests)
  const limiter = createLimiter(world, { telemetry, pulse })
  const expiry = createExpiry(world, telemetry)
  const resealing = new Resealing([sealedDataKeys, ...sealedSigningKeys, sealedTotpSecrets, sealedPayloads])
  const whatIf = createWhatIf(world, decider)
  const routes = [
    ...routesOf({ committer, telemetry, decider, postman, refusals, limiter }),
    ...simulationRoutes(whatIf),
  ]
  const recentCallers = new RecentCallers(pulse, world.clock)
  const derivedGuard = createDerivedGuard(decider)
  const largeBodies = new LargeBodies()
  const parts = { routes, refusals, limiter, telemetry, derivedGuard, recentCallers, sessionUses, largeBodies }
  const http = createHttpServer({ ...door, ...parts, certificateOf: certificateReader(door), world: system })
  await mountOauth(http, system, { isNonceRequired: door.dpopNonce === 'required', refusals })
  return {
    http,
    defaultTenantId,
    system,
    routes,
    flush: oneByOne(() =>
      all([
        refusals.flush(),
        failedLogins.flush(system),
        sessionUses.flush(system),
        decider.recordFaults(system),
        sweepSessions(system),
        sweepStatusLists(system),
      ]),
    ),
    deliverMail: () => postman.deliver(system),
    endExpired: () => runExpiry(expiry, system, telemetry),
    tend: oneByOne(async () => {
      await attendToKeys(system)
      await resealing.run(system)
      await refreshSkeletons(system)
      await absorbAllUses(system)
    }),
    async close() {
      await failedLogins.flush(system, 'all').catch((error: unknown) => {
        world.log.error({ error }, 'failed logins could not be recorded')
      })
      const closed = [expiry, postman, whatIf.shadow, committer, engine, whatIf.drafts, largeBodies]
      for (const part of closed) await part.close(system)
    },
  }
}

/** What the system acts in, but for its keys. */
function createBase(world: World, { decider, spine }: { readonly decider: Decider; readonly spine: Spine }) {
  return {
    ...world,
    settings: world.settings ?? defaultSettings,
    newId: idGenerator(world.clock, world.random),
    authorizer: createAuthorizer(decider),
    spine,
    requestId: 'system',
    traceId: undefined,
    caller: { kind: 'system', tenantId: platformTenantId, address: '' },
  } as const
}

function createSpine(committer: GroupCommitter, pulse: Pulse, failedLogins: FailedLogins): Spine {
  const onCommitted: Spine['committed'] = (tenantId, events) => {
    if (!events.every(({ type }) => isEveryday(type))) pulse.forget(tenantId)
  }
  return new AuditSpine(committer, onCommitted, (ctx, failed) => failedLogins.note(ctx, failed))
}

function createLimiter({ instances = () => 1 }: World, { telemetry, pulse }: Watch): Limiter {
  telemetry.instancesWatched(instances)
  return new Limiter(pulse, {
    onRefused: (dimension) => telemetry.rateLimited(dimension),
    onLost: () => telemetry.refusalLost(),
  })
}

const holderBytes = 16

function createExpiry({ random, clock }: World, telemetry: Telemetry): Expiry {
  const lease = new Lease('expiry', random(holderBytes).toString('base64url'))
  telemetry.leaseWatched('expiry', () => lease.isHeld(clock.now()))
  return new Expiry(lease, (kind, lateSeconds) => telemetry.ended(kind, lateSeconds))
}

async function runExpiry(expiry: Expiry, system: Context, telemetry: Telemetry): Promise<void> {
  try {
    await expiry.run(system)
  } catch (error) {
    telemetry.expiryFailed()
    throw error
  }
}

/** Does all, whatever becomes of each; throws what the first that failed threw. */
async function all(work: ReadonlyArray<Promise<unknown>>): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason
}

/** Work that begins when what was asked before has ended, so that the last one waits for all. */
function oneByOne(work: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve()
  return () => (last = last.then(work, work))
}

/** First start and master key come before there are keys to sign with. */
async function prepare(base: Omit<Context, 'keys'>): Promise<TenantId> {
  const ctx: Context = { ...base, keys: noKeys }
  await checkMasterKey(ctx)
  return ensureFoundations(ctx)
}

const refuseKeys = (): never => {
  throw new Error('there are no keys before the first start is done')
}
const noKeys = {
  publicUrl: '',
  issuerOf: refuseKeys,
  tenantOf: refuseKeys,
  signAccessToken: refuseKeys,
  signJwt: refuseKeys,
  verifyAccessToken: refuseKeys,
  verifyJwt: refuseKeys,
  publicJwks: refuseKeys,
  signingJwks: refuseKeys,
  publicRootKeys: refuseKeys,
  signingRootKey: refuseKeys,
  findRootKey: refuseKeys,
}
