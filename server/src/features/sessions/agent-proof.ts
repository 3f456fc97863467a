import type { AgentLogin } from '@agent-iam/contract/auth'
import type { AgentId } from '@agent-iam/contract/ids'
import type { Confirmation, Transaction } from '../../platform/context.ts'
import { assertionKeyOf, type AgentKey } from '../credentials/model.ts'
import {
  findCertificate,
  isInForce,
  listLoginKeys,
  liveAgentKeysMax,
  readAssertion,
  verifySignature,
} from '../credentials/service.ts'
import { readChallenge } from './challenge.ts'

/** Whom a proof is to prove, and to whom. */
export interface ProofAbout {
  readonly agentId: AgentId
  readonly issuer: string
}

/** What an agent was proved by: a key, by something it signed that is good once, or a certificate of its connection. */
export type AgentProof =
  | { readonly by: 'key'; readonly thumbprint: string; readonly nonce: string; readonly nonceExpiresAt: Date }
  | { readonly by: 'certificate'; readonly thumbprint: string; readonly confirmation: Confirmation }

/**
 * Undefined for whatever is wrong. An unknown agent takes the same steps: as many keys are tried for it as the agent
 * could have.
 */
export async function proveAgent(
  tx: Transaction,
  about: ProofAbout,
  credentials: AgentLogin['credentials'],
): Promise<AgentProof | undefined> {
  switch (credentials.type) {
    case 'certificate':
      return proveByCertificate(tx, about.agentId)
    case 'signature':
      return proveBySignature(tx, about, credentials)
    case 'jwt':
      return proveByAssertion(tx, about, credentials.token)
  }
}

/** Whether what proved the agent still would: asked once the agent is held, for it may have ended since. */
export async function isStillProof(tx: Transaction, agentId: AgentId, proof: AgentProof): Promise<boolean> {
  if (proof.by === 'certificate') return (await proveByCertificate(tx, agentId)) !== undefined
  return (await listLoginKeys(tx, agentId)).some(({ thumbprint }) => thumbprint === proof.thumbprint)
}

/** Checked in place of keys that there are not. It proves nothing, whoever signs. */
const nobodysKey: AgentKey = {
  thumbprint: '',
  // Any point of the curve will do; this is its base point.
  publicKey: Buffer.from('5866666666666666666666666666666666666666666666666666666666666666', 'hex'),
}

async function keysToTry(tx: Transaction, agentId: AgentId): Promise<AgentKey[]> {
  const padding = Array.from({ length: liveAgentKeysMax }, () => nobodysKey)
  return [...(await listLoginKeys(tx, agentId)), ...padding].slice(0, liveAgentKeysMax)
}

async function proveBySignature(
  tx: Transaction,
  { agentId, issuer }: ProofAbout,
  sent: { challenge: string; signature: string },
): Promise<AgentProof | undefined> {
  const challenge = readChallenge(tx, sent.challenge, agentId, [issuer, tx.keys.publicUrl])
  const signers = (await keysToTry(tx, agentId)).filter((key) => verifySignature(key, sent.challenge, sent.signature))
  const signer = signers.find((key) => key !== nobodysKey)
  if (!challenge || !signer) return undefined
  const { nonce, expiresAt } = challenge
  return { by: 'key', thumbprint: signer.thumbprint, nonce, nonceExpiresAt: new Date(expiresAt) }
}

/** Whichever authority signed the certificate: it counts when it was pinned to this agent, and is in force. */
async function proveByCertificate(tx: Transaction, agentId: AgentId): Promise<AgentProof | undefined> {
  const thumbprint = tx.caller.certificateThumbprint
  const certificate = await findCertificate(tx, agentId, thumbprint ?? '')
  if (thumbprint === undefined || !certificate || !isInForce(certificate, tx.clock.now())) return undefined
  return { by: 'certificate', thumbprint, confirmation: { 'x5t#S256': thumbprint } }
}

/** The header's `kid`, if there is one, chooses the key; else each is tried. */
async function proveByAssertion(
  tx: Transaction,
  { agentId, issuer }: ProofAbout,
  token: string,
): Promise<AgentProof | undefined> {
  const keys = (await keysToTry(tx, agentId)).map(assertionKeyOf)
  const assertion = await readAssertion(tx, token, { id: agentId, issuer, keys })
  if (!assertion || assertion.thumbprint === nobodysKey.thumbprint) return undefined
  const { thumbprint, jti, expiresAt } = assertion
  return { by: 'key', thumbprint, nonce: jti, nonceExpiresAt: expiresAt }
}
