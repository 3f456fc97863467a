import type { AgentId, ServiceId, SessionId } from '@agent-iam/contract/ids'
import type { Generated, Selectable } from 'kysely'
import type { Transaction } from '../../../platform/context.ts'
import type { Tables } from '../../../platform/database.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import { sourceLives } from '../../capabilities/service.ts'

declare module '../../../platform/database.ts' {
  interface Tables {
    certificates: {
      tenant_id: string
      identity_id: string
      thumbprint: string
      subject: string
      issuer: string
      serial_number: string
      not_before: Date
      not_after: Date
      created_by: string
      created_at: Date
      source_session: Generated<string | null>
    }
  }
}

/** Who may be proved by a certificate. */
export type CertifiedId = AgentId | ServiceId

export interface StoredCertificate {
  /** SHA-256 of its DER, base64url (RFC 8705 `x5t#S256`). */
  readonly thumbprint: string
  readonly subject: string
  readonly issuer: string
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly createdBy: string
  readonly createdAt: Date
  /** The session that created it, and with which it ends; undefined: it stands by itself. */
  readonly source: SessionId | undefined
}

/** Returns false when the identity has this certificate already. */
export async function insertCertificate(
  tx: Transaction,
  identityId: CertifiedId,
  certificate: StoredCertificate,
): Promise<boolean> {
  const inserted = await tx.db
    .insertInto('certificates')
    .values({
      tenant_id: toUuid(tx.caller.tenantId),
      identity_id: toUuid(identityId),
      thumbprint: certificate.thumbprint,
      subject: certificate.subject,
      issuer: certificate.issuer,
      serial_number: certificate.serialNumber,
      not_before: certificate.notBefore,
      not_after: certificate.notAfter,
      created_by: certificate.createdBy,
      created_at: certificate.createdAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('thumbprint')
    .executeTakeFirst()
  return inserted !== undefined
}

/** The newest first. */
export async function listCertificates(tx: Transaction, identityId: CertifiedId): Promise<StoredCertificate[]> {
  const rows = await certificatesOf(tx, identityId).orderBy('created_at', 'desc').orderBy('thumbprint').execute()
  return rows.map(toCertificate)
}

export async function findCertificate(
  tx: Transaction,
  identityId: CertifiedId,
  thumbprint: string,
): Promise<StoredCertificate | undefined> {
  const row = await certificatesOf(tx, identityId).where('thumbprint', '=', thumbprint).executeTakeFirst()
  return row && toCertificate(row)
}

export async function deleteCertificate(
  tx: Transaction,
  identityId: CertifiedId,
  thumbprint: string,
): Promise<StoredCertificate | undefined> {
  const row = await tx.db
    .deleteFrom('certificates')
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where('thumbprint', '=', thumbprint)
    .returningAll()
    .executeTakeFirst()
  return row && toCertificate(row)
}

function certificatesOf(tx: Transaction, identityId: CertifiedId) {
  return tx.db
    .selectFrom('certificates')
    .selectAll()
    .where('tenant_id', '=', toUuid(tx.caller.tenantId))
    .where('identity_id', '=', toUuid(identityId))
    .where(sourceLives(tx))
}

function toCertificate(row: Selectable<Tables['certificates']>): StoredCertificate {
  return {
    thumbprint: row.thumbprint,
    subject: row.subject,
    issuer: row.issuer,
    serialNumber: row.serial_number,
    notBefore: row.not_before,
    notAfter: row.not_after,
    createdBy: row.created_by,
    createdAt: row.created_at,
    source: row.source_session === null ? undefined : fromUuid('session', row.source_session),
  }
}
