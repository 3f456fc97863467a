import { platformTenantId, type TenantId, type UserId } from '@agent-iam/contract/ids'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { ConfigError } from '../../platform/config.ts'
import { sha256 } from '../../platform/digest.ts'
import { newSecret } from '../../platform/random.ts'
import { recordEvent } from '../audit/service.ts'
import { assignRole } from '../capabilities/service.ts'
import { issueEnrolmentToken, revokeEnrolmentTokensNamed } from '../credentials/service.ts'
import { insertUser, listUsers } from '../identities/service.ts'
import type { User } from '../identities/model.ts'
import { createSigningKeys, hasSigningKeys } from '../keys/service.ts'
import { defaultTenantSlug } from '../tenants/model.ts'
import { createTenant, findTenantId } from '../tenants/service.ts'
import { embeddedEnrolment, setupLinkSeconds, setupTokenPrefix } from './model.ts'
import { closeSetupLinks, hasOpenSetupLink, insertMasterKey, insertSetupLink, listMasterKeys } from './store.ts'

/**
 * Refuses to start without the newest master key that the database knows: what it sealed could not be opened. With it, a
 * key that the database does not know yet comes in, and seals from now on.
 */
export async function checkMasterKey(ctx: Context): Promise<void> {
  const { keyId, others } = ctx.sealer
  const own = { keyId, checkValue: ctx.sealer.derive('check value') }
  await inTransaction(inTenant(ctx, platformTenantId), async (tx) => {
    const known = await listMasterKeys(tx)
    const [newest] = known
    const isHeld = [own, ...others].some(
      (held) => held.keyId === newest?.keyId && held.checkValue.equals(newest.checkValue),
    )
    if (newest && !isHeld)
      throw new ConfigError('This master key is not the one that sealed this database. Start with the right one.')
    if (!known.some((each) => each.keyId === keyId)) await insertMasterKey(tx, keyId, own.checkValue)
  })
}

/**
 * Makes whatever the first start makes and is not there yet: the default tenant, signing keys, and an administrator of
 * the default and of the platform's tenant. Call it under the start lock. Returns the default tenant.
 */
export async function ensureFoundations(ctx: Context): Promise<TenantId> {
  const platform = inTenant(ctx, platformTenantId)
  const defaultTenantId = await ensureDefaultTenant(platform)
  for (const there of [platform, inTenant(ctx, defaultTenantId)]) {
    if (!(await hasSigningKeys(there))) await createSigningKeys(there)
    await ensureAdministrator(there)
  }
  return defaultTenantId
}

/** The administrator that the first start made in a tenant. */
export async function findAdministrator(ctx: Context): Promise<User> {
  const [first] = await inTransaction(ctx, (tx) => listUsers(tx, 1))
  if (!first) throw new Error('the first start did not make an administrator')
  return first
}

/**
 * The secret of a setup link, while the administrator has no password yet: `kept`, which an earlier start here left, as
 * long as it is good, else a new one. With `onlyOne`, no new one while another link is still open: it was shown where
 * another instance started. Call it under the start lock, else two see none open.
 */
export async function openSetup(
  ctx: Context,
  { onlyOne, kept }: { readonly onlyOne: boolean; readonly kept?: string | undefined },
): Promise<string | undefined> {
  const platform = inTenant(ctx, platformTenantId)
  if ((await findAdministrator(platform)).status !== 'pending') return undefined
  return inTransaction(platform, async (tx) => {
    if (kept !== undefined && (await hasOpenSetupLink(tx, sha256(kept)))) return kept
    if (onlyOne && (await hasOpenSetupLink(tx))) return undefined
    const token = newSecret(tx.random, setupTokenPrefix)
    await closeSetupLinks(tx)
    await insertSetupLink(tx, sha256(token), addSeconds(tx.clock.now(), setupLinkSeconds))
    recordEvent(tx, { type: 'setup.link-made' })
    return token
  })
}

/** Whether there is a setup link that is still good, wherever it was shown. */
export async function isSetupOpen(ctx: Context): Promise<boolean> {
  return inTransaction(inTenant(ctx, platformTenantId), (tx) => hasOpenSetupLink(tx))
}

/** The embedded server's enrolment token, made anew at each start; the one of the start before ends. */
export async function renewEmbeddedEnrolment(
  ctx: Context,
  tenantId: TenantId,
): Promise<{ token: string; expiresAt: Date }> {
  const there = inTenant(ctx, tenantId)
  const { id: owner } = await findAdministrator(there)
  return inTransaction(there, async (tx) => {
    for (const id of await revokeEnrolmentTokensNamed(tx, embeddedEnrolment.name))
      recordEvent(tx, { type: 'enrolment-token.revoked', resource: `agent-iam/enrolment-tokens/${id}`, narrows: true })
    const { token, enrolmentToken } = await issueEnrolmentToken(tx, { ...embeddedEnrolment, owner })
    return { token, expiresAt: enrolmentToken.expiresAt }
  })
}

export function inTenant(ctx: Context, tenantId: TenantId): Context {
  return asCaller(ctx, { kind: 'system', tenantId, address: '' })
}

async function ensureDefaultTenant(platform: Context): Promise<TenantId> {
  const made = await createTenant(platform, defaultTenantSlug, 'Default')
  const id = made?.id ?? (await findTenantId(platform, defaultTenantSlug))
  if (!id) throw new Error('the default tenant can neither be made nor found')
  return id
}

/** Pending until somebody sets a password through the setup link. */
async function ensureAdministrator(there: Context): Promise<void> {
  await inTransaction(there, async (tx) => {
    if ((await listUsers(tx, 1)).length > 0) return
    const id: UserId = tx.newId('user')
    await insertUser(tx, { id, name: 'Administrator', email: undefined, status: 'pending', createdAt: tx.clock.now() })
    await assignRole(tx, id, 'admin')
  })
}
