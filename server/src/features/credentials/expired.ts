import type { Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { deleteExpiredCertificates, markExpiredEnrolmentTokens, expireKeys } from './store/expiring.ts'

// What has run out proves nobody since, by the clock of every instance; so nothing is narrowed by putting it on record.

interface Expired {
  readonly expiresAt: Date
}

export async function endExpiredAgentKeys(tx: Transaction, limit: number): Promise<Expired[]> {
  const expired = await expireKeys(tx, limit)
  for (const { agentId, thumbprint } of expired)
    recordEvent(tx, {
      type: 'agent.key-expired',
      resource: `agent-iam/agents/${agentId}`,
      data: { keyThumbprint: thumbprint },
    })
  return expired
}

export async function endExpiredCertificates(tx: Transaction, limit: number): Promise<Expired[]> {
  const expired = await deleteExpiredCertificates(tx, limit)
  for (const { identityId, thumbprint } of expired) {
    const noun = identityId.startsWith('agt_') ? 'agents' : 'services'
    recordEvent(tx, {
      type: 'certificate.expired',
      resource: `agent-iam/${noun}/${identityId}`,
      data: { thumbprint },
    })
  }
  return expired
}

export async function endExpiredEnrolmentTokens(tx: Transaction, limit: number): Promise<Expired[]> {
  const expired = await markExpiredEnrolmentTokens(tx, limit)
  for (const { id } of expired)
    recordEvent(tx, { type: 'enrolment-token.expired', resource: `agent-iam/enrolment-tokens/${id}` })
  return expired
}
