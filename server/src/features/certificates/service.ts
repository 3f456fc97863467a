/**
 * Certificates that prove agents and services on TLS connections (RFC 8705). Each is pinned by its thumbprint, so the
 * word of no authority lets another in. Who pins one can act as the identity, so nobody does who may not grant what it
 * holds; removing one ends every session whose tokens are bound to it.
 */
import { certificatesMax } from '@agent-iam/contract/certificates'
import type { IdentityStatus } from '@agent-iam/contract/agents'
import {
  actorOf,
  delegatorOf,
  inTransaction,
  sourceSessionOf,
  type Context,
  type Transaction,
} from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { listReach, requireMayDelegate } from '../capabilities/service.ts'
import {
  deleteCertificate,
  insertCertificate,
  listCertificates as listRows,
  readCertificate,
  type CertifiedId,
  type StoredCertificate,
} from '../credentials/service.ts'
import { findAgentForUpdate, protectAgent } from '../identities/service.ts'
import { holdService } from '../services/service.ts'
import { endBoundSessions } from '../sessions/service.ts'

/** Lets a certificate prove an identity. */
export async function pinCertificate(ctx: Context, id: CertifiedId, pem: string): Promise<StoredCertificate> {
  const facts = readCertificate(pem, ctx.clock.now())
  return inTransaction(ctx, async (tx) => {
    const { status } = await requireHolder(tx, id, 'pin-certificate')
    if (status === 'revoked' || status === 'deleted') throw new Problem('wrong-state', `${id} is ${status}`)
    await requireMayDelegate(tx, await listReach(tx, id))
    const pinned = await listRows(tx, id)
    if (pinned.length >= certificatesMax)
      throw new Problem('wrong-state', `${id} has ${certificatesMax} certificates; remove one that is no longer used`)
    const certificate = {
      ...facts,
      createdBy: delegatorOf(tx.caller) ?? actorOf(tx.caller),
      createdAt: tx.clock.now(),
      source: sourceSessionOf(tx.caller),
    }
    if (!(await insertCertificate(tx, id, certificate)))
      throw new Problem('already-exists', `${id} has this certificate already`)
    const { thumbprint, notAfter } = certificate
    recordEvent(tx, {
      type: 'certificate.pinned',
      resource: resourceOf(id),
      data: { thumbprint, notAfter: notAfter.toISOString() },
    })
    return certificate
  })
}

export async function listCertificates(ctx: Context, id: CertifiedId): Promise<StoredCertificate[]> {
  return inTransaction(ctx, async (tx) => {
    await requireHolder(tx, id, 'read')
    return listRows(tx, id)
  })
}

/** Lets a certificate prove an identity no longer. */
export async function removeCertificate(ctx: Context, id: CertifiedId, thumbprint: string): Promise<StoredCertificate> {
  return inTransaction(ctx, async (tx) => {
    await requireHolder(tx, id, 'remove-certificate')
    const removed = await deleteCertificate(tx, id, thumbprint)
    if (!removed) throw notFound('certificates', thumbprint)
    await endBoundSessions(tx, id, { 'x5t#S256': thumbprint }, 'certificate removed')
    recordEvent(tx, { type: 'certificate.removed', resource: resourceOf(id), data: { thumbprint }, narrows: true })
    return removed
  })
}

interface Holder {
  readonly status: IdentityStatus
}

/** Holds the identity, so that no login goes by a certificate that is being removed. */
async function requireHolder(tx: Transaction, id: CertifiedId, verb: string): Promise<Holder> {
  if (isId('service', id)) return holdService(tx, `services:${verb}`, id)
  const agent = isId('agent', id) ? await findAgentForUpdate(tx, id) : undefined
  if (!agent) throw notFound('agents', id)
  await tx.authorize(`agents:${verb}`, await protectAgent(tx, agent))
  return agent
}

function resourceOf(id: CertifiedId): string {
  return `agent-iam/${isId('agent', id) ? 'agents' : 'services'}/${id}`
}
