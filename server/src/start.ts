import { Server as HttpsServer } from 'node:https'
import { createServer } from 'node:net'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createApp, type App } from './app.ts'
import type { World } from './app/world.ts'
import { setupLink, tokenOfSetupLink } from './features/setup/model.ts'
import { isSetupOpen, openSetup, renewEmbeddedEnrolment } from './features/setup/service.ts'
import { defaultTenantSlug } from './features/tenants/model.ts'
import { systemClock } from './platform/clock.ts'
import { Closing } from './platform/closing.ts'
import { isLoopback, readConfig, type Config } from './platform/config.ts'
import { writeLocalServer } from './platform/credentials-file.ts'
import { openDatabase, openPool } from './platform/database.ts'
import { embeddedPoolMax, openEmbeddedDatabase, type EmbeddedDatabase } from './platform/embedded-database.ts'
import { createLog, type Log } from './platform/log.ts'
import { loadMasterKeys, type MasterKeys } from './platform/master-key.ts'
import { makePartitions, migrate, underStartLock } from './platform/migrate.ts'
import { createOutboundFetch } from './platform/outbound-fetch.ts'
import { makePrivate } from './platform/private-folder.ts'
import { Presence } from './platform/presence.ts'
import { systemRandom } from './platform/random.ts'
import { redisState } from './platform/redis-state.ts'
import { createSealer } from './platform/sealing.ts'
import { smtpTransport } from './platform/smtp.ts'
import { inProcessState } from './platform/shared-state.ts'
import { loadTls, watchTls } from './transport/tls.ts'

export interface StartOptions {
  /** Instead of the process's own environment. */
  readonly env?: Record<string, string | undefined>
  /** No log below `error`, for tests and the demo. */
  readonly quiet?: boolean
  /** Parts of the world to replace, for tests that show what they would see without them. */
  readonly replace?: (world: World) => World
}

export interface RunningServer {
  readonly url: string
  /** Where the administrator sets a password; undefined once that is done, or when another instance showed it. */
  readonly setupLink: string | undefined
  /** Resolves when the embedded database has died: the process should end, for it can acknowledge nothing any more. */
  readonly lost: Promise<Error>
  /** The pool's waiting work drained, everything durable, everything closed. Throws when part of that failed. */
  close(): Promise<void>
}

/** How often the outbox is looked into: a person waits for the message. */
const mailIntervalMs = 1_000
/** How often what has run out is ended: with another's lease to wait for, still within five seconds. */
const expiryIntervalMs = 1_000
/** How often an instance says that it lives: several times before the others take it to be gone. */
const presenceIntervalMs = 4_000
/** How often refusals that were only counted are put on record. */
const flushIntervalMs = 60_000
/** How often the clock is asked what is due. */
const tendIntervalMs = 60_000

/** Starts the server as configured by the environment and `agent-iam.toml`. Throws `ConfigError` naming every fault. */
export async function start(options: StartOptions = {}): Promise<RunningServer> {
  const config = readConfig(options.env)
  const log = createLog(options.quiet ? 'error' : config.logLevel)
  await makePrivate(config.dataFolder)
  const masterKeys = await loadMasterKeys(config, systemRandom)
  // What is opened is closed in reverse: at the end, and when the start does not succeed.
  return Closing.whileOpening(async (opened) => {
    const embedded = config.databaseUrl === undefined ? await openEmbeddedDatabase(config.dataFolder) : undefined
    if (embedded) opened.defer(() => embedded.close())
    const ground = { log, masterKeys, embedded, replace: options.replace ?? ((world: World) => world) }
    const running = await startOn(config, ground, opened)
    const lost = embedded?.lost ?? new Promise<Error>(() => undefined)
    void lost.then((error) => log.error({ error }, 'the embedded database is lost'))
    return { ...running, lost, close: () => stop(opened, log) }
  })
}

async function stop(opened: Closing, log: Log): Promise<void> {
  await opened.close()
  log.info({}, 'stopped')
}

/** An instance's name for itself. */
const presenceBytes = 16

interface Ground {
  readonly log: Log
  readonly masterKeys: MasterKeys
  readonly embedded: EmbeddedDatabase | undefined
  readonly replace: (world: World) => World
}

async function startOn(
  config: Config,
  ground: Ground,
  opened: Closing,
): Promise<Pick<RunningServer, 'url' | 'setupLink'>> {
  const { log, embedded } = ground
  const presence = new Presence(systemRandom(presenceBytes).toString('base64url'))
  const { pool, world } = openWorld(config, { ...ground, presence }, opened)
  const port = config.port === 0 ? await freePort(config.host) : config.port
  const publicUrl = config.publicUrl ?? `${config.tls ? 'https' : 'http'}://localhost:${port}`
  const { metricsToken, trustedProxies, dpopNonce, clientCertificateHeader } = config
  const tls = config.tls && (await loadTls(config.tls))
  const known = { metricsToken, trustedProxies, dpopNonce, clientCertificateHeader, tls }
  const door = { publicUrl, isLoopback: isLoopback(config.host), ...known }
  const app = await underStartLock(pool, async () => {
    const applied = await migrate(pool)
    if (applied.length > 0) log.info({ applied }, 'migrations were applied')
    if (!embedded) await makePartitions(pool)
    return createApp(world, door)
  })
  opened.defer(() => app.close())
  opened.defer(() => flush(app, log))
  opened.defer(() => app.http.close())
  await app.http.listen({ port, host: config.host })
  if (config.tls && app.http.server instanceof HttpsServer) {
    const watch = watchTls(app.http.server, config.tls, log)
    opened.defer(() => watch.close())
  }
  // Announced once we can be reached: a start that fails takes neither link nor token from the one that runs.
  const announcement = { log, publicUrl, isEmbedded: embedded !== undefined }
  const link = await underStartLock(pool, () => announce(app, config, announcement))
  if (config.redisUrl !== undefined) await joinOthers(presence, app, log, opened)
  const timer = setInterval(() => void flush(app, log), flushIntervalMs).unref()
  opened.defer(() => clearInterval(timer))
  const mailTimer = setInterval(() => void deliverMail(app, log), mailIntervalMs).unref()
  opened.defer(() => clearInterval(mailTimer))
  const expiring = setInterval(() => void endExpired(app, log), expiryIntervalMs).unref()
  opened.defer(() => clearInterval(expiring))
  const tending = setInterval(() => void tend(app, log), tendIntervalMs).unref()
  opened.defer(() => clearInterval(tending))
  // What a new release has to make anew does not wait for the first minute to pass.
  const tended = tend(app, log)
  opened.defer(() => tended)
  log.info(
    { url: publicUrl, database: embedded ? 'embedded' : 'PostgreSQL', durability: await world.db.durability() },
    'listening',
  )
  return { url: publicUrl, setupLink: link }
}

function openWorld(
  config: Config,
  { log, masterKeys, embedded, replace, presence }: Ground & { readonly presence: Presence },
  opened: Closing,
): { pool: ReturnType<typeof openPool>; world: World } {
  const onError = (error: Error) => log.warn({ error }, 'an idle database connection was lost')
  const pool = embedded
    ? openPool({ host: embedded.socketFolder, max: embeddedPoolMax, onError })
    : openPool({ connectionString: config.databaseUrl ?? '', max: config.databasePoolMax, onError })
  const local = inProcessState(systemClock)
  const instances = () => presence.instances
  const world = replace({
    clock: systemClock,
    random: systemRandom,
    log,
    db: openDatabase(pool),
    sharedState: config.redisUrl === undefined ? local : redisState(config.redisUrl, local, log, { instances }),
    instances,
    sealer: createSealer(masterKeys.current, systemRandom, masterKeys.others),
    settings: config.settings,
    mail: config.mail && smtpTransport(config.mail.url, config.mail.from),
    fetch: createOutboundFetch({ clock: systemClock, allowedNetworks: config.outboundNetworks }),
  })
  // A database handle that was never used leaves the pool open.
  opened.defer(async () => {
    if (!pool.ending) await pool.end()
  })
  opened.defer(() => world.db.close())
  opened.defer(() => world.sharedState.close())
  return { pool, world }
}

/** Tells the other instances of this one, from now on and until it ends. */
async function joinOthers(presence: Presence, app: App, log: Log, opened: Closing): Promise<void> {
  opened.defer(() => leave(presence, app, log))
  await tellPresence(presence, app, log)
  const telling = setInterval(() => void tellPresence(presence, app, log), presenceIntervalMs).unref()
  opened.defer(() => clearInterval(telling))
}

/** What was counted last is believed until it can be counted again. */
async function tellPresence(presence: Presence, app: App, log: Log): Promise<void> {
  await presence
    .tell(app.system)
    .catch((error: unknown) => log.error({ error }, 'this instance could not say that it lives'))
}

/** The others find out by themselves if they are not told. */
async function leave(presence: Presence, app: App, log: Log): Promise<void> {
  await presence
    .leave(app.system)
    .catch((error: unknown) => log.warn({ error }, 'this instance could not say that it ends'))
}

/** A failure to record counts is logged; the server goes on. */
async function flush(app: App, log: Log): Promise<void> {
  await app.flush().catch((error: unknown) => log.error({ error }, 'counted refusals could not be recorded'))
}

/** A round that fails is logged; the next comes soon. */
async function deliverMail(app: App, log: Log): Promise<void> {
  await app.deliverMail().catch((error: unknown) => log.error({ error }, 'mail could not be delivered'))
}

/** What was not ended is still due at the next round. */
async function endExpired(app: App, log: Log): Promise<void> {
  await app.endExpired().catch((error: unknown) => log.error({ error }, 'what has run out could not be ended'))
}

/** What was not done is still due at the next run. */
async function tend(app: App, log: Log): Promise<void> {
  await app.tend().catch((error: unknown) => log.error({ error }, 'what is due could not be done'))
}

interface Announcement {
  readonly log: Log
  readonly publicUrl: string
  readonly isEmbedded: boolean
}

/** Leaves the enrolment token where this machine's SDK finds it, and opens the setup. */
async function announce(
  app: App,
  config: Config,
  { log, publicUrl, isEmbedded }: Announcement,
): Promise<string | undefined> {
  if (isEmbedded) await leaveEnrolmentToken(app, config, publicUrl)
  const file = join(config.dataFolder, 'setup-link')
  const kept = tokenOfSetupLink(await readFile(file, 'utf8').catch(() => ''))
  const token = await openSetup(app.system, { onlyOne: !isEmbedded, kept })
  if (token === undefined) {
    // A link that is still good stays where it was left, also when it is not the one of this file.
    if (!(await isSetupOpen(app.system))) await rm(file, { force: true })
    return undefined
  }
  const link = setupLink(publicUrl, token)
  await mkdir(config.dataFolder, { recursive: true, mode: 0o700 })
  await writeFile(file, `${link}\n`, { mode: 0o600 })
  log.info({ file }, 'open the link in this file within an hour to set the administrator’s password')
  return link
}

async function leaveEnrolmentToken(app: App, config: Config, publicUrl: string): Promise<void> {
  const { defaultTenantId: tenantId, system } = app
  const { token, expiresAt } = await renewEmbeddedEnrolment(system, tenantId)
  await writeLocalServer(config.credentialsFile, publicUrl, {
    issuer: system.keys.issuerOf(tenantId),
    tenantId,
    tenant: defaultTenantSlug,
    enrolmentToken: token,
    expiresAt: expiresAt.toISOString(),
  })
}

/** A port that is free now; we listen on it a moment later, when what depends on the address is made. */
async function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, host, () => {
      const address = probe.address()
      probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
