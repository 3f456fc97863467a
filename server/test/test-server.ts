import { randomBytes } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import { login } from '@agent-iam/contract/auth'
import { completeSetup } from '@agent-iam/contract/setup'
import { type TenantId, type UserId } from '@agent-iam/contract/ids'
import { createApp, type App } from '../src/app.ts'
import type { World } from '../src/app/world.ts'
import { assignRole } from '../src/features/capabilities/service.ts'
import type { Role } from '../src/features/capabilities/model.ts'
import { hashPassword, setPassword } from '../src/features/credentials/service.ts'
import { insertUser } from '../src/features/identities/service.ts'
import { createSigningKeys } from '../src/features/keys/service.ts'
import { openSetup } from '../src/features/setup/service.ts'
import { createTenant } from '../src/features/tenants/service.ts'
import { asCaller, inTransaction, type Context } from '../src/platform/context.ts'
import { createLog } from '../src/platform/log.ts'
import { createOutboundFetch } from '../src/platform/outbound-fetch.ts'
import { systemRandom } from '../src/platform/random.ts'
import { createSealer } from '../src/platform/sealing.ts'
import { defaultSettings, type Settings } from '../src/platform/settings.ts'
import { passwordOwnerOfTests } from './password-owner.ts'
import { TestApi } from './test-api.ts'
import { TestClock } from './test-clock.ts'
import { testState } from './test-state.ts'
import type { TestDatabase } from './databases.ts'

export const publicUrl = 'http://localhost:9000'
export const email = 'admin@example.com'
export const password = 'a long password for tests'

export interface TestUser {
  readonly id: UserId
  readonly email: string
  readonly tenant: string
  readonly tenantId: TenantId
  readonly token: string
}

/** Tells the lines of the log, should a test want them. */
export type OnLog = (line: string) => void

/** A whole server on a database of its own, without a socket: its administrator is logged in. */
export class TestServer {
  readonly app: App
  readonly world: World
  readonly clock: TestClock
  readonly api: TestApi
  readonly database: TestDatabase
  readonly masterKey: Buffer
  readonly #beside = new Set<TestServer>()
  #isClosed = false
  #passwordHash: Promise<string> | undefined

  constructor(app: App, { world, clock, database, masterKey }: Ground) {
    this.app = app
    this.world = world
    this.clock = clock
    this.database = database
    this.masterKey = masterKey
    this.api = new TestApi(app)
  }

  /** A token of the administrator, of the default tenant unless said otherwise. */
  async admin(tenant = 'default'): Promise<string> {
    return (await this.api.call(login, { body: { email, password, tenant } })).accessToken
  }

  /** A user with a role, logged in; without one, somebody who may do nothing. */
  async user(role?: Role, tenant: { id: TenantId; slug: string } = this.defaultTenant): Promise<TestUser> {
    const ctx = this.inTenant(tenant.id)
    const id = ctx.newId('user')
    const address = `${id}@example.com`
    const hash = await (this.#passwordHash ??= hashPassword(passwordOwnerOfTests, password))
    await inTransaction(ctx, async (tx) => {
      await insertUser(tx, { id, name: id, email: address, status: 'active', createdAt: tx.clock.now() })
      await setPassword(tx, id, hash)
      if (role) await assignRole(tx, id, role)
    })
    const { accessToken } = await this.api.call(login, { body: { email: address, password, tenant: tenant.slug } })
    return { id, email: address, tenant: tenant.slug, tenantId: tenant.id, token: accessToken }
  }

  get defaultTenant(): { id: TenantId; slug: string } {
    return { id: this.app.defaultTenantId, slug: 'default' }
  }

  /** Another organisation, with keys and an administrator. */
  async tenant(slug: string): Promise<{ id: TenantId; slug: string; admin: TestUser }> {
    const made = await createTenant(this.app.system, slug, slug)
    if (!made) throw new Error(`there is a tenant ${slug}`)
    await createSigningKeys(this.inTenant(made.id))
    return { id: made.id, slug, admin: await this.user('admin', made) }
  }

  /** The system's own context in a tenant, for what no operation does. */
  inTenant(tenantId: TenantId): Context {
    return asCaller(this.app.system, { kind: 'system', tenantId, address: '' })
  }

  /** What a refusal left in a tenant's log, straight from the table. */
  async refusals(tenantId: TenantId, requestId: string): Promise<unknown[]> {
    const rows = await this.database.ask(
      `select convert_from(leaf, 'UTF8')::json as leaf from audit_events
       where tenant_id = $1 and request_id = $2 and type = 'request.refused'`,
      [uuidOf(tenantId), requestId],
    )
    return rows.map(({ leaf }) => leaf)
  }

  /**
   * Another process of this installation: the same keys, database and time, connections of its own. It ends with this
   * one, unless a test ends it before.
   */
  async beside(options: ServerOptions = {}): Promise<TestServer> {
    const { masterKey, clock } = this
    const database = { ...this.database, db: this.database.another(), close: () => Promise.resolve() }
    const address = this.app.system.keys.publicUrl
    const other = await startServer(database, { address, ...options, masterKey, clock })
    this.#beside.add(other)
    return other
  }

  /** After a test wrote into the database itself: the log counts the change, as it does every change of ours. */
  async changedBehindItsBack(): Promise<void> {
    await this.database.ask('update audit_heads set changes = changes + 1')
    this.clock.advance(1)
  }

  async close(): Promise<void> {
    for (const other of this.#beside) await other.close()
    this.#beside.clear()
    if (this.#isClosed) return
    this.#isClosed = true
    await this.app.http.close()
    await this.app.close()
    await this.world.sharedState.close()
    await this.database.close()
  }
}

interface Ground {
  readonly world: World
  readonly clock: TestClock
  readonly database: TestDatabase
  readonly masterKey: Buffer
}

export interface ServerOptions {
  /** Parts of the world to replace. */
  readonly replace?: (world: World) => World
  readonly onLog?: OnLog
  readonly trustedProxies?: readonly string[]
  readonly dpopNonce?: 'required' | 'optional'
  readonly clientCertificateHeader?: string
  /** With it, what listens speaks TLS. */
  readonly tls?: SecureContextOptions
  /** Where it will listen, for clients that come through a socket. */
  readonly address?: string
}

/** A server after its first start, its setup link used. */
export async function openServer(database: TestDatabase, options: ServerOptions = {}): Promise<TestServer> {
  const server = await startServer(database, { ...options, masterKey: randomBytes(32), clock: new TestClock() })
  const token = await openSetup(server.app.system, { onlyOne: false })
  if (token === undefined) throw new Error('the setup was done already')
  await server.api.call(completeSetup, { body: { token, email, password } })
  return server
}

/** Tests send more than anybody else from one address, as one agent; those of limits set their own. */
export const generousSettings: Settings = {
  ...defaultSettings,
  requestsPerAgent: 1_000_000,
  requestsPerAddress: 0,
  requestsPerUser: 1_000_000,
  requestsPerService: 1_000_000,
  requestsPerApiKey: 1_000_000,
  requestsPerEnrolmentToken: 1_000_000,
  logBytesPerRequest: 0,
  anonymousRowsPerAddress: 1_000_000,
  anonymousRowsPerTenant: 1_000_000,
  loginsPerAccount: 1_000_000,
}

interface Started extends ServerOptions {
  readonly masterKey: Buffer
  readonly clock: TestClock
}

/** A server on a database as it is: the first start makes what is missing. */
export async function startServer(
  database: TestDatabase,
  {
    replace = (world) => world,
    onLog,
    trustedProxies = [],
    dpopNonce = 'optional',
    clientCertificateHeader,
    tls,
    address = publicUrl,
    masterKey,
    clock,
  }: Started,
): Promise<TestServer> {
  const world = replace({
    clock,
    random: systemRandom,
    log: createLog(onLog ? 'debug' : 'silent', onLog),
    db: database.db,
    sharedState: testState(database, clock),
    settings: generousSettings,
    sealer: createSealer(masterKey, systemRandom),
    fetch: createOutboundFetch({ clock, allowedNetworks: [] }),
  })
  const reach = { publicUrl: address, isLoopback: true, metricsToken: undefined, trustedProxies }
  const app = await createApp(world, { ...reach, dpopNonce, clientCertificateHeader, tls })
  return new TestServer(app, { world, clock, database, masterKey })
}

export function uuidOf(id: string): string {
  const hex = id.slice(id.indexOf('_') + 1)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
