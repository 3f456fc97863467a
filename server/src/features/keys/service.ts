/**
 * Token signing keys: each tenant has its own issuer and keys (DESIGN D7), sealed at rest, made with the tenant.
 * Access tokens are RFC 9068 JWTs; the public halves are served as a JWK Set (RFC 7517).
 */
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { TenantId } from '@agent-iam/contract/ids'
import { errors, importJWK, jwtVerify, SignJWT, type CryptoKey, type JWTHeaderParameters } from 'jose'
import { z } from 'zod'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import type { AccessTokenClaims, Keys } from '../../platform/keys.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { accessTokenType, type SigningKey } from './model.ts'
import { insertSigningKey, listSigningKeys, signingKeyPlace } from './store.ts'

const generate = promisify(generateKeyPair)
const rsaBits = 2048
/** Tenants whose keys are held opened; the one not used longest goes first. */
const tenantsMax = 1000
/** An unknown `kid` makes us look again, at most this often: strangers can send any. */
const reloadSeconds = 5

/** Makes a tenant's first signing key; call it when the tenant is made. */
export async function createSigningKey(ctx: Context): Promise<void> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: rsaBits })
  const id = ctx.newId('signingKey')
  const key: SigningKey = {
    id,
    algorithm: 'RS256',
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid: id, alg: 'RS256', use: 'sig' },
    sealed: ctx.sealer.seal(
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      signingKeyPlace(ctx.caller.tenantId, id),
    ),
    createdAt: ctx.clock.now(),
  }
  await inTransaction(ctx, (tx) => insertSigningKey(tx, key))
}

/** Whether the tenant has a key to sign with. */
export async function hasSigningKey(tx: Transaction): Promise<boolean> {
  return (await listSigningKeys(tx)).length > 0
}

interface Opened {
  readonly signer: { readonly key: SigningKey; readonly privateKey: KeyObject }
  readonly verifiers: ReadonlyMap<string, CryptoKey | Uint8Array>
  readonly publicJwks: ReadonlyArray<Record<string, unknown>>
  readonly loadedAt: number
}

/** Holds the tenants' keys opened, and signs and verifies with them. */
export class KeyRing implements Keys {
  readonly publicUrl: string
  readonly #ctx: () => Context
  readonly #defaultTenantId: TenantId
  readonly #opened = new Map<TenantId, Opened>()

  constructor(publicUrl: string, defaultTenantId: TenantId, ctx: () => Context) {
    this.publicUrl = publicUrl
    this.#defaultTenantId = defaultTenantId
    this.#ctx = ctx
  }

  issuerOf(tenantId: TenantId): string {
    return tenantId === this.#defaultTenantId ? this.publicUrl : `${this.publicUrl}/t/${tenantId}`
  }

  tenantOf(issuer: string): TenantId | undefined {
    if (issuer === this.publicUrl) return this.#defaultTenantId
    const prefix = `${this.publicUrl}/t/`
    const id = issuer.startsWith(prefix) ? issuer.slice(prefix.length) : ''
    return isId('tenant', id) ? id : undefined
  }

  async signAccessToken(tenantId: TenantId, claims: AccessTokenClaims): Promise<string> {
    const { key, privateKey } = (await this.#keysOf(tenantId)).signer
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: accessTokenType })
      .sign(privateKey)
  }

  async verifyAccessToken(token: string, now: Date): Promise<{ tenantId: TenantId; claims: AccessTokenClaims }> {
    const tenantId = this.tenantOf(unverifiedIssuer(token))
    if (!tenantId) throw notValid()
    const issuer = this.issuerOf(tenantId)
    const options = {
      issuer,
      audience: `${issuer}/api`,
      typ: accessTokenType,
      algorithms: ['RS256', 'EdDSA'],
      currentDate: now,
    }
    const { payload } = await jwtVerify(
      token,
      (header: JWTHeaderParameters) => this.#verifier(tenantId, header),
      options,
    ).catch((cause: unknown) => {
      // An issuer that looks like a tenant's but has no keys is one more way to be invalid.
      throw cause instanceof errors.JOSEError || cause instanceof Problem ? notValid(cause) : cause
    })
    const claims = Claims.safeParse(payload)
    if (!claims.success) throw notValid(claims.error)
    return { tenantId, claims: claims.data }
  }

  async publicJwks(tenantId: TenantId): Promise<Array<Record<string, unknown>>> {
    return [...(await this.#keysOf(tenantId)).publicJwks]
  }

  async #verifier(tenantId: TenantId, { kid }: JWTHeaderParameters): Promise<CryptoKey | Uint8Array> {
    const found = (await this.#keysOf(tenantId)).verifiers.get(kid ?? '')
    if (found) return found
    const again = (await this.#reload(tenantId)).verifiers.get(kid ?? '')
    if (!again) throw notValid()
    return again
  }

  async #keysOf(tenantId: TenantId): Promise<Opened> {
    return this.#opened.get(tenantId) ?? this.#load(tenantId)
  }

  async #reload(tenantId: TenantId): Promise<Opened> {
    const held = this.#opened.get(tenantId)
    const age = this.#ctx().clock.now().getTime() - (held?.loadedAt ?? 0)
    return held && age < reloadSeconds * 1000 ? held : this.#load(tenantId)
  }

  async #load(tenantId: TenantId): Promise<Opened> {
    const ctx = asCaller(this.#ctx(), { kind: 'system', tenantId, address: '' })
    const keys = await inTransaction(ctx, (tx) => listSigningKeys(tx))
    const opened = await openKeys(ctx, keys)
    const [oldest] = this.#opened.keys()
    if (oldest !== undefined && this.#opened.size >= tenantsMax) this.#opened.delete(oldest)
    this.#opened.set(tenantId, opened)
    return opened
  }
}

async function openKeys(ctx: Context, keys: readonly SigningKey[]): Promise<Opened> {
  const [newest] = keys
  if (!newest) throw new Problem('not-found', `tenant ${ctx.caller.tenantId} has no signing keys`)
  const der = ctx.sealer.open(newest.sealed, signingKeyPlace(ctx.caller.tenantId, newest.id))
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const verifiers = new Map<string, CryptoKey | Uint8Array>()
  for (const key of keys) verifiers.set(key.id, await importJWK({ ...key.publicJwk }, key.algorithm))
  return {
    signer: { key: newest, privateKey },
    verifiers,
    publicJwks: keys.map((key) => ({ ...key.publicJwk })),
    loadedAt: ctx.clock.now().getTime(),
  }
}

const Claims = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.string(),
  exp: z.number(),
  iat: z.number(),
  jti: z.string(),
  client_id: z.string(),
  sid: z.string(),
  tenant: z.string(),
  scope: z.string().optional(),
  cnf: z.union([z.object({ jkt: z.string() }), z.object({ 'x5t#S256': z.string() })]).optional(),
})

/** Read before the signature is checked, only to know whose keys to check it with. */
function unverifiedIssuer(token: string): string {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return String(Reflect.get(Object(payload), 'iss'))
  } catch {
    return ''
  }
}

/** The same words for every reason: a forger learns nothing. */
function notValid(cause?: unknown): Problem {
  return new Problem('invalid-token', 'the access token is not valid here: refresh it or log in again', { cause })
}
