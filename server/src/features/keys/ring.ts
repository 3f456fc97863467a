import type { TenantId } from '@agent-iam/contract/ids'
import { isCanonicalJws } from '@agent-iam/standards/jws'
import { errors, jwtVerify, SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import {
  AccessTokenClaimsSchema,
  type AccessTokenClaims,
  type JwtExpectations,
  type JwtHeader,
  type Keys,
  type RootKey,
  type SigningJwks,
  type VerifiedJwt,
  type VerifyingRootKey,
} from '../../platform/keys.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { accessTokenType } from './model.ts'
import {
  openKeySet,
  privateRoot,
  publicRoot,
  toPrivateJwk,
  verifierOf,
  verifyingRoots,
  type OpenedKeys,
  type Verifier,
} from './opened-keys.ts'
import { overlapSeconds } from './schedule.ts'
import { SharedLooks } from './shared-looks.ts'
import { attendToTenant } from './rotation.ts'
import { findRootKeyTenant, readKeySet, readKeysVersion } from './store.ts'
import { VerifiedTokens } from './verified-tokens.ts'

/** Tenants whose keys are held opened; the one used longest ago goes first. */
const tenantsMax = 1000
/** Root keys of which it is remembered whose they are; that never changes. */
const rootsMax = 10_000
/** No token outlives the overlap in which the key that signed it still verifies. */
const tokenSecondsMax = overlapSeconds - 86_400

/**
 * Holds the tenants' keys opened, and signs and verifies with them. What it holds may be older than what another
 * instance made of it. So it asks for the version before it signs or publishes; and whoever accepts a token asks for it
 * with the same look at the database that tells whether the session lives, and has the token verified again should that
 * be another.
 */
export class KeyRing implements Keys {
  readonly publicUrl: string
  readonly #ctx: () => Context
  readonly #defaultTenantId: TenantId
  readonly #held = new Map<TenantId, OpenedKeys>()
  readonly #looks = new SharedLooks<TenantId, OpenedKeys>((tenantId) => this.#look(tenantId))
  readonly #verified = new VerifiedTokens()
  readonly #tenantsOfRoots = new Map<number, TenantId>()

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
    return this.signJwt(tenantId, { typ: accessTokenType }, { ...claims })
  }

  async signJwt(tenantId: TenantId, { typ, alg }: JwtHeader, claims: JWTPayload & { exp: number }): Promise<string> {
    const { algorithm, signers } = await this.#looks.take(tenantId)
    const signer = signers.get(alg ?? algorithm)
    if (!signer) throw new Error(`tenant ${tenantId} has no ${alg ?? algorithm} key to sign with`)
    if (claims.exp > this.#now().getTime() / 1000 + tokenSecondsMax)
      throw new Error('a token must not outlive the key that signs it')
    const { algorithm: signing, id: kid } = signer.key
    return new SignJWT(claims).setProtectedHeader({ alg: signing, kid, typ }).sign(signer.privateKey)
  }

  async verifyAccessToken(
    token: string,
    now: Date,
    keysVersion?: number,
  ): Promise<{ tenantId: TenantId; claims: AccessTokenClaims; keysVersion: number }> {
    const tenantId = this.tenantOf(unverifiedIssuer(token))
    if (!tenantId) throw notValid()
    const audience = `${this.issuerOf(tenantId)}/api`
    const verified = await this.verifyJwt(tenantId, token, { typ: accessTokenType, audience, now, keysVersion })
    const claims = AccessTokenClaimsSchema.safeParse(verified.claims)
    if (!claims.success) throw notValid(claims.error)
    return { tenantId, claims: claims.data, keysVersion: verified.keysVersion }
  }

  async verifyJwt(tenantId: TenantId, token: string, expected: JwtExpectations): Promise<VerifiedJwt> {
    const keys = await this.#atLeast(tenantId, expected.keysVersion).catch(rethrowAsNotValid)
    const known = this.#verified.find({ token, tenantId, expected, version: keys.version })
    if (known) return { claims: known, keysVersion: keys.version }
    return this.#verify(tenantId, token, expected)
  }

  async publicJwks(tenantId: TenantId): Promise<Array<Record<string, unknown>>> {
    const now = this.#now()
    return [...(await this.#looks.take(tenantId)).verifiers.values()]
      .filter((verifier) => !verifier.until || verifier.until > now)
      .map(({ key }) => ({ ...key.publicJwk }))
  }

  async signingJwks(tenantId: TenantId): Promise<SigningJwks> {
    const { version, algorithm, signers } = await this.#looks.take(tenantId)
    const own = [...signers.values()].toSorted((a, b) => rank(a.key.algorithm) - rank(b.key.algorithm))
    return { version, keys: own.map(toPrivateJwk) }

    function rank(of: string): number {
      return of === algorithm ? 0 : 1
    }
  }

  async publicRootKeys(tenantId: TenantId): Promise<RootKey[]> {
    return verifyingRoots(await this.#withRoot(tenantId), this.#now()).map(publicRoot)
  }

  async signingRootKey(tenantId: TenantId): Promise<RootKey & { privateKey: string }> {
    const { root } = await this.#withRoot(tenantId)
    if (!root) throw new Error(`tenant ${tenantId} has no root key to sign with`)
    return privateRoot(root)
  }

  async findRootKey(rootKeyId: number, now: Date, keysVersion?: number): Promise<VerifyingRootKey | undefined> {
    const tenantId = this.#tenantsOfRoots.get(rootKeyId) ?? (await this.#lookForTenant(rootKeyId))
    if (!tenantId) return undefined
    const held = await this.#atLeast(tenantId, keysVersion)
    // A key that this instance does not know may have been made by another a moment ago.
    const keys = held.roots.has(rootKeyId) ? held : await this.#looks.take(tenantId)
    const found = verifyingRoots(keys, now).find((key) => key.rootKeyId === rootKeyId)
    return found && { ...publicRoot(found), tenantId, keysVersion: keys.version }
  }

  async #lookForTenant(rootKeyId: number): Promise<TenantId | undefined> {
    const tenantId = await inTransaction(this.#ctx(), (tx) => findRootKeyTenant(tx, rootKeyId))
    if (!tenantId) return undefined
    const [oldest] = this.#tenantsOfRoots.keys()
    if (oldest !== undefined && this.#tenantsOfRoots.size >= rootsMax) this.#tenantsOfRoots.delete(oldest)
    this.#tenantsOfRoots.set(rootKeyId, tenantId)
    return tenantId
  }

  /** A tenant of a release that knew no root keys gets its first ones as soon as they are asked for. */
  async #withRoot(tenantId: TenantId): Promise<OpenedKeys> {
    const keys = await this.#looks.take(tenantId)
    if (keys.root) return keys
    await attendToTenant(this.#in(tenantId))
    return this.#looks.take(tenantId)
  }

  async #verify(tenantId: TenantId, token: string, expected: JwtExpectations): Promise<VerifiedJwt> {
    if (!isCanonicalJws(token)) throw notValid()
    const { typ, audience, now } = expected
    const issuer = this.issuerOf(tenantId)
    const algorithms = ['RS256', 'EdDSA']
    let used: Verifier | undefined
    const keyOf = async (header: JWTHeaderParameters) => {
      used = await this.#verifier(tenantId, header, now)
      return used.publicKey
    }
    const options = { issuer, audience, typ, algorithms, currentDate: now, requiredClaims: ['exp', 'iat'] }
    const { payload } = await jwtVerify(token, keyOf, options)
      .catch((cause: unknown) => {
        throw isWrongAudience(cause) ? forAnother(audience, cause) : cause
      })
      .catch(rethrowAsNotValid)
    const version = used?.version ?? 0
    const endsAt = Math.min((payload.exp ?? 0) * 1000, used?.until?.getTime() ?? Infinity)
    this.#verified.keep({ token, tenantId, expected, version }, { payload, endsAt })
    return { claims: payload, keysVersion: version }
  }

  /** A key that this instance does not know may have been made by another a moment ago. */
  async #verifier(tenantId: TenantId, { kid = '' }: JWTHeaderParameters, now: Date): Promise<Verifier> {
    const found =
      verifierOf(await this.#atLeast(tenantId), kid, now) ??
      (isId('signingKey', kid) ? verifierOf(await this.#looks.take(tenantId), kid, now) : undefined)
    if (!found) throw notValid()
    return found
  }

  async #atLeast(tenantId: TenantId, version = 0): Promise<OpenedKeys> {
    const held = this.#held.get(tenantId)
    if (held && held.version >= version) return this.#keep(tenantId, held)
    return this.#looks.take(tenantId)
  }

  /** The present keys: those that are held, unless they have changed. */
  async #look(tenantId: TenantId): Promise<OpenedKeys> {
    const ctx = this.#in(tenantId)
    const held = this.#held.get(tenantId)
    const changed = await inTransaction(ctx, async (tx) =>
      held?.version === (await readKeysVersion(tx)) ? undefined : readKeySet(tx),
    )
    if (held && !changed) return this.#keep(tenantId, held)
    return this.#keep(tenantId, await openKeySet(ctx, changed))
  }

  /** As the last one used: a map keeps the order in which its keys came. */
  #keep(tenantId: TenantId, keys: OpenedKeys): OpenedKeys {
    this.#held.delete(tenantId)
    const [oldest] = this.#held.keys()
    if (oldest !== undefined && this.#held.size >= tenantsMax) this.#held.delete(oldest)
    this.#held.set(tenantId, keys)
    return keys
  }

  #in(tenantId: TenantId): Context {
    return asCaller(this.#ctx(), { kind: 'system', tenantId, address: '' })
  }

  #now(): Date {
    return this.#ctx().clock.now()
  }
}

/** Read before the signature is checked, only to know whose keys to check it with. */
function unverifiedIssuer(token: string): string {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return String(Reflect.get(Object(payload), 'iss'))
  } catch {
    return ''
  }
}

/** An issuer that looks like a tenant's but has no keys is one more way to be invalid; what broke on our side is not. */
function rethrowAsNotValid(cause: unknown): never {
  if (cause instanceof Problem && cause.code === 'invalid-token') throw cause
  throw cause instanceof errors.JOSEError || cause instanceof Problem ? notValid(cause) : cause
}

/** Found only once the signature was: the token is one of ours. */
function isWrongAudience(cause: unknown): boolean {
  return cause instanceof errors.JWTClaimValidationFailed && cause.claim === 'aud'
}

/** Its holder is told what to ask for; a forger never comes so far. */
function forAnother(audience: string, cause: unknown): Problem {
  const detail = `the token is for another resource: ask for one whose resource is ${audience}`
  return new Problem('invalid-token', detail, { cause })
}

/** The same words for every reason: a forger learns nothing. */
function notValid(cause?: unknown): Problem {
  return new Problem('invalid-token', 'the access token is not valid here: refresh it or log in again', { cause })
}
