import { rotateAgentKey } from '@agent-iam/contract/agent-keys'
import { rotationText } from '@agent-iam/contract/agent-proofs'
import { makeAgentKey, parseAgentKey } from './agent-key.ts'
import { call, type Connection } from './call.ts'
import type { Clock } from './clock.ts'
import { RefusedError } from './errors.ts'
import { formatKeyFile } from './key-file.ts'
import type { KeptIdentity } from './own-identity.ts'
import { replacePrivateFile } from './private-file.ts'

/** Runs a request as the agent. */
type Run = <T>(request: (connection: Connection) => Promise<T>) => Promise<T>

/**
 * Puts a new key in the place of the agent's own, which logs in for the grace yet. The new key is in the file before the
 * server hears of it: whatever is lost on the way, the next try goes on with the same key.
 */
export async function rotateKey(
  identity: KeptIdentity,
  run: Run,
  clock: Clock,
  graceSeconds: number | undefined,
): Promise<KeptIdentity> {
  const { agentId, issuer, kept } = identity
  const { file, stored } = kept
  const nextPrivateKey = stored.nextPrivateKey ?? makeAgentKey().pem
  await replacePrivateFile(file, formatKeyFile({ ...stored, nextPrivateKey }))
  const key = parseAgentKey(nextPrivateKey, file)
  const issuedAt = clock.now().toISOString()
  const proof = { issuedAt, signature: key.sign(rotationText(issuer, agentId, key.thumbprint, issuedAt)) }
  const body = { publicKey: key.publicKey, proof, ...(graceSeconds !== undefined && { graceSeconds }) }
  try {
    await run((connection) => call(connection, rotateAgentKey, { params: { agentId }, body }))
  } catch (error) {
    // The server has the key: an earlier try arrived, and only its answer was lost.
    if (!(error instanceof RefusedError && error.code === 'already-exists')) throw error
  }
  return adoptNextKey({ ...identity, kept: { file, stored: { ...stored, nextPrivateKey } } })
}

/** The agent with the key that was to take the place of its own. */
export function withNextKey(identity: KeptIdentity): KeptIdentity {
  const { file, stored } = identity.kept
  const { nextPrivateKey: privateKey, ...rest } = stored
  if (privateKey === undefined) return identity
  return { ...identity, kept: { file, stored: { ...rest, privateKey } }, key: parseAgentKey(privateKey, file) }
}

/** The same, in the file as well: the old key is given up. */
export async function adoptNextKey(identity: KeptIdentity): Promise<KeptIdentity> {
  const renewed = withNextKey(identity)
  const { file, stored } = renewed.kept
  await replacePrivateFile(file, formatKeyFile(stored))
  return renewed
}
