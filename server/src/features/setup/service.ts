/**
 * The first start (DESIGN D15): tenants, keys and an administrator who sets a password through a link that is good once
 * and for an hour. Administration always needs a person's login; the embedded server leaves an enrolment token only.
 */
import { platformTenantId, type TenantId, type UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { limitSender, preparePassword, setPassword } from '../credentials/service.ts'
import { updateUser } from '../identities/service.ts'
import { defaultTenantSlug, platformTenantSlug } from '../tenants/model.ts'
import { findAdministrator, inTenant } from './first-start.ts'
import { closeSetupLinks, lockPendingUser, useSetupLink } from './store.ts'

export { checkMasterKey, ensureFoundations, isSetupOpen, openSetup, renewEmbeddedEnrolment } from './first-start.ts'

export interface Administrator {
  readonly email: string
  readonly name: string
  readonly password: string
}

export interface Account {
  readonly userId: UserId
  readonly tenant: string
  readonly role: string
}

/** Makes the link's bearer the administrator of the default tenant and, for now, of the platform's. */
export async function completeSetup(ctx: Context, token: string, administrator: Administrator): Promise<Account[]> {
  const defaultTenantId = ctx.keys.tenantOf(ctx.keys.publicUrl)
  if (!defaultTenantId) throw new Error('there is no default tenant')
  await limitSender(ctx, 'setup')
  const { password, ...owner } = administrator
  const hash = await preparePassword(ctx, password, { ...owner, field: 'password' })
  // The link is spent first: should we fail after that, the next start makes another, and nobody can use this one again.
  await spendLink(inTenant(ctx, platformTenantId), token)
  // The platform's office comes last: while it is vacant, a start makes another link for what a crash left undone.
  const taken = [
    await takeOffice(ctx, { tenantId: defaultTenantId, slug: defaultTenantSlug }, administrator, hash),
    await takeOffice(ctx, { tenantId: platformTenantId, slug: platformTenantSlug }, administrator, hash),
  ].filter((account) => account !== undefined)
  if (taken.length === 0) throw new Problem('invalid-token', 'the setup was completed already; log in instead')
  return taken
}

/** Ends all other links with the one that is used. */
async function spendLink(platform: Context, token: string): Promise<void> {
  await inTransaction(platform, async (tx) => {
    if (!(await useSetupLink(tx, sha256(token))))
      throw new Problem('invalid-token', 'the setup link was used or has expired; start the server again for a new one')
    await closeSetupLinks(tx)
  })
}

/** Undefined when the office is not vacant: nobody takes it from who has it. */
async function takeOffice(
  ctx: Context,
  { tenantId, slug }: { tenantId: TenantId; slug: string },
  { email, name }: Administrator,
  hash: string,
): Promise<Account | undefined> {
  const there = inTenant(ctx, tenantId)
  const user = await findAdministrator(there)
  return inTransaction(there, async (tx) => {
    if (!(await lockPendingUser(tx, user.id))) return undefined
    const isUpdated = await updateUser(tx, { ...user, name, email: email.toLowerCase(), status: 'active' })
    if (!isUpdated) throw new Problem('already-exists', 'another user has this e-mail address')
    await setPassword(tx, user.id, hash)
    recordEvent(tx, {
      type: 'setup.completed',
      actor: user.id,
      resource: `agent-iam/users/${user.id}`,
      personal: { subject: user.id, fields: { email: email.toLowerCase(), name, address: ctx.caller.address } },
    })
    return { userId: user.id, tenant: slug, role: 'admin' }
  })
}
