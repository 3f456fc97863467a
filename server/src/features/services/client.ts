import type { Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { isId } from '../../platform/ids.ts'
import { Problem } from '../../platform/problem.ts'
import { assertionKeyOf, type AssertionKey } from '../credentials/model.ts'
import {
  assertionPurpose,
  findCertificate,
  insertNonce,
  isInForce,
  listLoginKeys,
  readAssertion,
} from '../credentials/service.ts'
import { findAgent, mayIdentityAct } from '../identities/service.ts'
import { delegationOf, type Delegation } from './delegation.ts'
import type { ClientId } from './model.ts'
import { listKeys } from './store/keys.ts'
import { findSecretByDigest, listSecrets } from './store/secrets.ts'
import { findService } from './store/services.ts'

/** What a client shows of itself; a certificate (RFC 8705) is shown by the connection. */
export type ClientProof =
  | { readonly method: 'certificate' }
  | { readonly method: 'client-secret'; readonly secret: string }
  | { readonly method: 'private-key-jwt'; readonly assertion: string }

/** A client that has proved itself; whether it may act is not asked yet. */
export interface ProvedClient {
  readonly id: ClientId
  readonly method: ClientProof['method']
  /** Which of its credentials proved it: a secret's id, or the thumbprint of a key or certificate. Sessions end with it. */
  readonly credential: string
}

/** A client as an authorization server knows it. */
export interface Client {
  readonly id: ClientId
  readonly name: string
  readonly isActive: boolean
  /** The public keys of its assertions. */
  readonly keys: readonly AssertionKey[]
  /** The scope of a token that is asked for without one; empty: all that it holds. */
  readonly defaultScopes: readonly string[]
}

/** The client of this id in the transaction's tenant. */
export async function findClient(tx: Transaction, id: ClientId): Promise<Client | undefined> {
  const identity = isId('service', id) ? await findService(tx, id) : await findAgent(tx, id)
  if (!identity) return undefined
  const { name, status, expiresAt } = identity
  const isActive = status === 'active' && (expiresAt === undefined || expiresAt > tx.clock.now())
  const defaultScopes = 'defaultScopes' in identity ? identity.defaultScopes : []
  return { id, name, isActive, keys: await findKeys(tx, id), defaultScopes }
}

/**
 * Authenticates a client (RFC 6749 §2.3), inside a transaction of its tenant. An unknown client and a wrong proof are
 * told in the same words. An assertion is spent: it is good once, wherever it is presented.
 */
export async function authenticateClient(tx: Transaction, id: ClientId, proof: ClientProof): Promise<ProvedClient> {
  const credential = await prove(tx, id, proof)
  if (credential === undefined) throw clientNotProved()
  return { id, method: proof.method, credential }
}

/**
 * Throws `invalid-credentials` unless what proved the client still would. Asked once the client is held: what ended between
 * has ended the sessions that it began, and would not end the one that is about to begin.
 */
export async function requireStillProved(tx: Transaction, { id, method, credential }: ProvedClient): Promise<void> {
  const live = method === 'client-secret' ? await listSecretIds(tx, id) : await listThumbprints(tx, id, method)
  if (!live.includes(credential)) throw clientNotProved()
}

async function listSecretIds(tx: Transaction, id: ClientId): Promise<readonly string[]> {
  return isId('service', id) ? (await listSecrets(tx, id)).map((secret) => secret.id) : []
}

async function listThumbprints(
  tx: Transaction,
  id: ClientId,
  method: ClientProof['method'],
): Promise<readonly string[]> {
  if (method === 'private-key-jwt') return (await findKeys(tx, id)).map(({ thumbprint }) => thumbprint)
  return [(await proveByCertificate(tx, id)) ?? '']
}

/** What the sessions rest on that a client's proof begins; a client's own key rests on nothing but the client. */
export async function findDelegation(tx: Transaction, { id, method, credential }: ProvedClient): Promise<Delegation> {
  const made = await findMade(tx, id, method, credential)
  const delegation = made ? delegationOf(id, made) : {}
  if (delegation.delegator && !(await mayIdentityAct(tx, delegation.delegator))) throw clientNotProved()
  return delegation
}

async function findMade(tx: Transaction, id: ClientId, method: ClientProof['method'], credential: string) {
  if (method === 'certificate') return findCertificate(tx, id, credential)
  if (!isId('service', id)) return undefined
  if (method === 'client-secret') return (await listSecrets(tx, id)).find((secret) => secret.id === credential)
  return (await listKeys(tx, id)).find(({ thumbprint }) => thumbprint === credential)
}

/** The same words, whether the client is unknown or its proof is wrong. */
export function clientNotProved(): Problem {
  return new Problem('invalid-credentials', 'the client is unknown or its proof is not valid')
}

async function prove(tx: Transaction, id: ClientId, proof: ClientProof): Promise<string | undefined> {
  switch (proof.method) {
    case 'client-secret':
      return isId('service', id) ? findSecretByDigest(tx, id, sha256(proof.secret)) : undefined
    case 'private-key-jwt':
      return proveByAssertion(tx, id, proof.assertion)
    case 'certificate':
      return proveByCertificate(tx, id)
  }
}

async function proveByAssertion(tx: Transaction, id: ClientId, token: string): Promise<string | undefined> {
  const issuer = tx.keys.issuerOf(tx.caller.tenantId)
  const assertion = await readAssertion(tx, token, { id, issuer, keys: await findKeys(tx, id) })
  if (!assertion) return undefined
  if (!(await insertNonce(tx, assertionPurpose, `${id} ${assertion.jti}`, assertion.expiresAt)))
    throw new Problem('replayed', 'this assertion was used before; sign another with a new jti')
  return assertion.thumbprint
}

/** Whichever authority signed the certificate: it counts when it was pinned to this client, and is in force. */
async function proveByCertificate(tx: Transaction, id: ClientId): Promise<string | undefined> {
  const certificate = await findCertificate(tx, id, tx.caller.certificateThumbprint ?? '')
  return certificate && isInForce(certificate, tx.clock.now()) ? certificate.thumbprint : undefined
}

async function findKeys(tx: Transaction, id: ClientId): Promise<readonly AssertionKey[]> {
  if (isId('service', id)) return listKeys(tx, id)
  return isId('agent', id) ? (await listLoginKeys(tx, id)).map(assertionKeyOf) : []
}
