import type { ServiceId } from '@agent-iam/contract/ids'
import type { PlatformAction, ProtectedResource, Transaction } from '../../platform/context.ts'
import { notFound } from '../../platform/problem.ts'
import { listReach, requireMayDelegate } from '../capabilities/service.ts'
import { requireActive } from '../sessions/model.ts'
import { requireManager, type Service } from './model.ts'
import { findService, findServiceForUpdate } from './store/services.ts'

/** A service that the caller may do this to; absent, or not to be seen: `not-found`. */
export async function requireService(tx: Transaction, action: PlatformAction, id: ServiceId): Promise<Service> {
  const service = await findService(tx, id)
  if (!service) throw notFound('services', id)
  await tx.authorize(action, protectedService(service))
  return service
}

/** The same, held until the transaction ends. */
export async function holdService(tx: Transaction, action: PlatformAction, id: ServiceId): Promise<Service> {
  const service = await findServiceForUpdate(tx, id)
  if (!service) throw notFound('services', id)
  await tx.authorize(action, protectedService(service))
  return service
}

/**
 * Locks a service, and throws unless the caller may create a credential of it. The caller could use that credential, so the
 * caller must have all capabilities of the service.
 */
export async function lockForCredential(tx: Transaction, action: PlatformAction, id: ServiceId): Promise<void> {
  const service = await holdService(tx, action, id)
  requireManager(tx.caller)
  requireActive(service, tx.clock.now())
  await requireMayDelegate(tx, await listReach(tx, service.id))
}

function protectedService({ id, owner }: Service): ProtectedResource {
  return { type: 'services', id, owner, identity: id }
}
