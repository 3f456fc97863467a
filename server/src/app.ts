// The assembly: the one file that knows everything.
import { createAuthorizer, Decider, RecentFacts } from './features/authorization/service.ts'
import { authorizationRoutes } from './features/authorization/routes.ts'
import { authzenRoutes } from './features/authzen/routes.ts'
import { auditRoutes } from './features/audit/routes.ts'
import { AuditSpine, sealedDataKeys } from './features/audit/service.ts'
import { GroupCommitter } from './features/audit/committer.ts'
import { RefusalRecorder } from './features/audit/refusals.ts'
import { biscuitRoutes } from './features/biscuits/routes.ts'
import { PublishedRevocations } from './features/biscuits/service.ts'
import { apiKeyRoutes } from './features/api-keys/routes.ts'
import { accountRoutes } from './features/accounts/routes.ts'
import { answerResetRequests } from './features/accounts/service.ts'
import { clientRoutes } from './features/clients/routes.ts'
import { sealedPayloads } from './features/clients/service.ts'
import { agentKeyRoutes } from './features/agent-keys/routes.ts'
import { certificateRoutes } from './features/certificates/routes.ts'
import { delegationRoutes } from './features/delegation/routes.ts'
import { credentialRoutes } from './features/credentials/routes.ts'
import { Expiry } from './features/expiry/service.ts'
import { directoryRoutes } from './features/directory/routes.ts'
import { grantRoutes } from './features/grants/routes.ts'
import { factorRoutes } from './features/factors/routes.ts'
import { sealedTotpSecrets } from './features/factors/service.ts'
import { identityRoutes } from './features/identities/routes.ts'
import { keyRoutes } from './features/keys/routes.ts'
import { attendToKeys, KeyRing, sealedSigningKeys } from './features/keys/service.ts'
import { limitRoutes } from './features/limits/routes.ts'
import { Limiter } from './features/limits/service.ts'
import { mailRoutes } from './features/mail/routes.ts'
import { Postman } from './features/mail/service.ts'
import { policyRoutes } from './features/policies/routes.ts'
import { schemaRoutes } from './features/policies/routes/schema.ts'
import { PolicyEngine, type EngineFault } from './features/policies/service.ts'
import { resourceRoutes } from './features/resources/routes.ts'
import { roleRoutes } from './features/roles/routes.ts'
import { serviceRoutes } from './features/services/routes.ts'
import { Admissions } from './features/services/service.ts'
import { simulationRoutes } from './features/simulation/routes.ts'
import { absorbAllUses, DraftDecider, Shadow, Simulator } from './features/simulation/service.ts'
import { sessionRoutes } from './features/sessions/routes.ts'
import { RecentCallers } from './features/sessions/service.ts'
import { sessionManagementRoutes } from './features/sessions/routes/management.ts'
import { sdkTokenRoutes } from './features/sessions/routes/sdk-tokens.ts'
import { sweepSessions } from './features/sessions/sweep.ts'
import { StatusListPublisher } from './features/status-lists/publisher.ts'
import { statusListRoutes } from './features/status-lists/routes.ts'
import { sweepStatusLists } from './features/status-lists/service.ts'
import { setupRoutes } from './features/setup/routes.ts'
import { tenancyRoutes } from './features/tenancy/routes.ts'
import { checkMasterKey, ensureFoundations } from './features/setup/service.ts'
import { bulkIdentities } from '@agent-iam/contract/identities'
import { platformTenantId, type TenantId } from '@agent-iam/contract/ids'
import type { FastifyInstance } from 'fastify'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from './platform/clock.ts'
import type { Context } from './platform/context.ts'
import type { Database } from './platform/database.ts'
import { idGenerator } from './platform/ids.ts'
import { Lease } from './platform/lease.ts'
import type { Log } from './platform/log.ts'
import type { OutboundFetch } from './platform/outbound-fetch.ts'
import type { Random } from './platform/random.ts'
import type { Problem } from './platform/problem.ts'
import { isEveryday, Pulse } from './platform/pulse.ts'
import { Resealing } from './platform/resealing.ts'
import type { Route } from './platform/route.ts'
import type { Sealer } from './platform/sealing.ts'
import { defaultSettings, type Settings } from './platform/settings.ts'
import type { MailTransport } from './platform/smtp.ts'
import type { SharedState } from './platform/shared-state.ts'
import { Telemetry } from './platform/telemetry.ts'
import { createHttpServer } from './transport/http.ts'
import { mountOauth } from './transport/oauth/mount.ts'
import { certificateReader } from './transport/peer-certificate.ts'
import { systemRoutes } from './transport/system-routes.ts'

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

/** Routes that need nothing but a context. */
const plainRoutes = [
  ...identityRoutes,
  ...delegationRoutes,
  ...grantRoutes,
  ...sessionRoutes,
  ...factorRoutes,
  ...sessionManagementRoutes,
  ...apiKeyRoutes,
  ...sdkTokenRoutes,
  ...agentKeyRoutes,
  ...certificateRoutes,
  ...resourceRoutes,
  ...roleRoutes,
  ...policyRoutes,
  ...schemaRoutes,
  ...auditRoutes,
  ...credentialRoutes,
  ...clientRoutes,
  ...setupRoutes,
  ...keyRoutes,
]

/** Puts the server together over a migrated database, and makes what the first start makes. */
export async function createApp(world: World, door: Door): Promise<App> {
  const committer = world.committer ?? new GroupCommitter(world.db)
  const telemetry = new Telemetry(
    () => committer.lag,
    async () => (await world.sharedState.health()).status === 'ok',
  )
  const pulse = new Pulse(world.db, world.clock)
  const { decider, engine } = createDecider(world, { telemetry, pulse })
  const base = {
    ...world,
    settings: world.settings ?? defaultSettings,
    newId: idGenerator(world.clock, world.random),
    authorizer: createAuthorizer(decider),
    spine: new AuditSpine(committer, (tenantId, events) => {
      if (!events.every(({ type }) => isEveryday(type))) pulse.forget(tenantId)
    }),
    requestId: 'system',
    traceId: undefined,
    caller: { kind: 'system', tenantId: platformTenantId, address: '' },
  } as const
  const defaultTenantId = await prepare(base)
  const system: Context = { ...base, keys: new KeyRing(door.publicUrl, defaultTenantId, () => system) }
  const postman = new Postman(world.mail, answerResetRequests)
  const refusals = new RefusalRecorder()
  const limiter = createLimiter(world, { telemetry, pulse })
  const expiry = createExpiry(world, telemetry)
  const resealing = new Resealing([sealedDataKeys, ...sealedSigningKeys, sealedTotpSecrets, sealedPayloads])
  const whatIf = createWhatIf(world, decider)
  const routes = [
    ...routesOf({ committer, telemetry, decider, postman, refusals, limiter }),
    ...simulationRoutes(whatIf),
  ]
  const certificateOf = certificateReader(door)
  const recentCallers = new RecentCallers(pulse, world.clock)
  const http = createHttpServer({
    ...door,
    certificateOf,
    world: system,
    routes,
    refusals,
    limiter,
    recentCallers,
    telemetry,
  })
  await mountOauth(http, system, { isNonceRequired: door.dpopNonce === 'required', refusals })
  return {
    http,
    defaultTenantId,
    system,
    routes,
    flush: oneByOne(async () => {
      const sweeps = [sweepSessions(system), sweepStatusLists(system)]
      const results = await Promise.allSettled([refusals.flush(), decider.recordFaults(system), ...sweeps])
      for (const result of results) if (result.status === 'rejected') throw result.reason
    }),
    deliverMail: () => postman.deliver(system),
    endExpired: () => runExpiry(expiry, system, telemetry),
    tend: oneByOne(async () => {
      await attendToKeys(system)
      await resealing.run(system)
      await absorbAllUses(system)
    }),
    async close() {
      await expiry.close(system)
      await postman.close()
      await whatIf.shadow.close(system)
      await committer.close()
      await engine.close()
      await whatIf.drafts.close()
    },
  }
}

/** What lives in the server and some routes ask. */
interface Parts {
  readonly committer: GroupCommitter
  readonly telemetry: Telemetry
  readonly decider: Decider
  readonly postman: Postman
  readonly refusals: RefusalRecorder
  readonly limiter: Limiter
}

function routesOf({ committer, telemetry, decider, postman, refusals, limiter }: Parts): Route[] {
  const desk = {
    decider,
    onDecision: (decision: 'allow' | 'deny') => telemetry.decisionAnswered(decision),
    onRefused: recorderOf(refusals),
  }
  return [
    ...plainRoutes,
    ...serviceRoutes(new Admissions()),
    ...authorizationRoutes(desk),
    ...authzenRoutes(desk),
    ...accountRoutes({ isMailDelivered: postman.delivers }),
    ...tenancyRoutes({ isMailDelivered: postman.delivers }),
    ...mailRoutes(postman),
    ...limitRoutes(limiter),
    ...directoryRoutes(desk.onRefused(bulkIdentities.id)),
    ...statusListRoutes(new StatusListPublisher()),
    ...biscuitRoutes(new PublishedRevocations()),
    ...systemRoutes({ telemetry, auditLag: () => committer.lag }),
  ]
}

/** Puts on record what was refused of one of several items. */
const recorderOf = (refusals: RefusalRecorder) => (operation: string) => (ctx: Context, problem: Problem) =>
  refusals.record(ctx, { code: problem.code, policyIds: problem.policyIds, operation })

/** What tells operators, and what tells of changes. */
interface Watch {
  readonly telemetry: Telemetry
  readonly pulse: Pulse
}

function createLimiter({ instances = () => 1 }: World, { telemetry, pulse }: Watch): Limiter {
  telemetry.instancesWatched(instances)
  return new Limiter(pulse, {
    onRefused: (dimension) => telemetry.rateLimited(dimension),
    onLost: () => telemetry.refusalLost(),
  })
}

/** What asks how it would be otherwise: in an engine of its own, whose faults are of drafts and stop nothing. */
function createWhatIf({ clock, log }: World, decider: Decider) {
  const onFault = ({ tenantId, cause }: EngineFault) =>
    log.warn({ tenantId, error: cause }, 'a draft faulted its engine')
  const drafts = new DraftDecider(() => new PolicyEngine({ clock, onFault }))
  const shadow = new Shadow(drafts)
  decider.watch((ctx, answered) => shadow.observe(ctx, answered))
  return { drafts, simulator: new Simulator(decider, drafts), shadow }
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

function createDecider(
  { clock, log, settings = defaultSettings }: World,
  { telemetry, pulse }: Watch,
): { decider: Decider; engine: PolicyEngine } {
  const faults: EngineFault[] = []
  const onFault = (fault: EngineFault) => {
    telemetry.engineFaulted(fault.blame)
    log.error({ tenantId: fault.tenantId, blame: fault.blame, error: fault.cause }, 'the policy engine failed')
    // What one request brought about by itself concerns nobody else; it stands in its own decision.
    if (fault.blame !== 'request') faults.push(fault)
  }
  const engine = new PolicyEngine({ clock, onFault, verdictsKept: settings.verdictsKept })
  telemetry.verdictsWatched(() => engine.memoCounts)
  return { engine, decider: new Decider(engine, { recent: new RecentFacts(pulse, clock), faults }) }
}
