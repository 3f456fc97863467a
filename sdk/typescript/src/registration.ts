import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { registrationText } from '@agent-iam/contract/agent-proofs'
import { registerAgent } from '@agent-iam/contract/agents'
import type { AgentId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import { type AgentKey, makeAgentKey, parseAgentKey } from './agent-key.ts'
import { answerSecondsMax, call } from './call.ts'
import type { Clock } from './clock.ts'
import type { LocalState } from './config.ts'
import { CredentialsError, RefusedError } from './errors.ts'
import {
  formatKeyFile,
  type KeyFile,
  keyFilePath,
  type PendingKey,
  readKeyFile,
  type RegisteredKey,
} from './key-file.ts'
import type { KeptIdentity } from './own-identity.ts'
import { createPrivateFile, replacePrivateFile } from './private-file.ts'

/** What a registration needs; `agentId` completes a file whose registration lost its answer. */
export interface Registrant {
  readonly name: string
  readonly type?: string | undefined
  readonly capabilities?: readonly string[] | undefined
  readonly metadata?: Readonly<Record<string, Json>> | undefined
  readonly enrolmentToken?: string | undefined
  readonly agentId?: AgentId | undefined
  readonly state: LocalState
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly clock: Clock
}

/** How long another process of this machine is waited for while it registers the same name. */
const attemptSeconds = answerSecondsMax + 5
const pollMs = 100

/** Reads the agent's key; on the first run makes one, writes it down, and only then registers it. */
export async function findOrRegister(registrant: Registrant): Promise<KeptIdentity> {
  const { state, name } = registrant
  const file = keyFilePath(state, name)
  const stored = await readSettled(registrant, file)
  if (stored?.status === 'registered') return ownIdentity(file, stored)
  if (stored) return ownIdentity(file, await resume(registrant, file, stored))

  const pending = newPending(registrant)
  // Of two first runs at once one makes the file; the other starts over, and finds it.
  if (!(await createPrivateFile(file, formatKeyFile(pending)))) return findOrRegister(registrant)
  return ownIdentity(file, await registerFresh(registrant, file, pending))
}

function ownIdentity(file: string, stored: RegisteredKey): KeptIdentity {
  const { agentId, issuer, privateKey } = stored
  return { agentId, issuer, key: parseAgentKey(privateKey, file), kept: { file, stored } }
}

function newPending({ state, name, clock }: Registrant): PendingKey {
  return {
    version: 1,
    status: 'pending',
    server: state.server,
    name,
    privateKey: makeAgentKey().pem,
    registrant: process.pid,
    attemptEndsAt: new Date(clock.now().getTime() + attemptSeconds * 1000).toISOString(),
  }
}

/** Waits while a living process registers the key; a dead one's attempt is over. */
async function readSettled({ state, name, clock }: Registrant, file: string): Promise<KeyFile | undefined> {
  let stored = await readKeyFile(file, state.server, name)
  for (let polls = 0; polls < (attemptSeconds * 1000) / pollMs; polls++) {
    if (stored?.status !== 'pending' || !isAlive(stored.registrant)) return stored
    if (Date.parse(stored.attemptEndsAt) <= clock.now().getTime()) return stored
    await sleep(pollMs)
    stored = await readKeyFile(file, state.server, name)
  }
  return stored
}

function isAlive(pid: number | null): boolean {
  if (pid === null) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function registerFresh(registrant: Registrant, file: string, pending: PendingKey): Promise<RegisteredKey> {
  try {
    return await register(registrant, file, pending)
  } catch (error) {
    // A refused key is known to nobody, so the next run may begin anew; any other failure may have registered it.
    if (isRefusal(error)) await rm(file, { force: true })
    else await replacePrivateFile(file, formatKeyFile({ ...pending, registrant: null }))
    throw isNameTaken(error) ? nameTaken(registrant, file, error) : error
  }
}

/** An earlier run ended before it knew the outcome: the same key is registered again, or found registered. */
async function resume(registrant: Registrant, file: string, pending: PendingKey): Promise<RegisteredKey> {
  const { agentId, state } = registrant
  if (agentId) return finish(file, pending, { agentId, issuer: state.entry?.issuer ?? state.server }, state)
  try {
    return await register(registrant, file, pending)
  } catch (error) {
    if (!isNameTaken(error)) throw error
    const stored = await readKeyFile(file, state.server, registrant.name)
    if (stored?.status === 'registered') return stored
    throw answerLost(registrant, file, pending, error)
  }
}

async function register(registrant: Registrant, file: string, pending: PendingKey): Promise<RegisteredKey> {
  const { state, name, fetch, type, capabilities, metadata } = registrant
  const key = parseAgentKey(pending.privateKey, file)
  const answer = await call({ server: state.server, token: requireEnrolmentToken(registrant), fetch }, registerAgent, {
    body: {
      name,
      ...(type !== undefined && { type }),
      ...(capabilities && { capabilities: [...capabilities] }),
      ...(metadata && { metadata }),
      publicKey: key.publicKey,
      ...proof(registrant, key),
    },
  })
  return finish(file, pending, answer, state)
}

/** Signs for an issuer only when the server itself named it; unproved, the agent is pending until its first login. */
function proof({ state, name, clock }: Registrant, key: AgentKey) {
  if (!state.entry) return {}
  const issuedAt = clock.now().toISOString()
  const text = registrationText(state.entry.issuer, name, key.thumbprint, issuedAt)
  return { proof: { issuedAt, signature: key.sign(text) } }
}

async function finish(
  file: string,
  pending: PendingKey,
  { agentId, issuer }: { agentId: AgentId; issuer: string },
  state: LocalState,
): Promise<RegisteredKey> {
  const { server, name, privateKey } = pending
  const tenantId = state.entry?.tenantId ?? null
  const registered: RegisteredKey = {
    version: 1,
    status: 'registered',
    server,
    issuer,
    tenantId,
    agentId,
    name,
    privateKey,
  }
  await replacePrivateFile(file, formatKeyFile(registered))
  return registered
}

function requireEnrolmentToken({ enrolmentToken, state }: Registrant): string {
  const token = enrolmentToken ?? state.enrolmentToken ?? state.entry?.enrolmentToken
  if (token !== undefined) return token
  throw new CredentialsError(
    state.credentialsFile,
    `nothing may register an agent at ${state.server}: ${state.credentialsFile} has no entry for it; ` +
      `start the server on this machine, or give an enrolment token in AGENT_IAM_ENROLMENT_TOKEN`,
  )
}

function isRefusal(error: unknown): boolean {
  return error instanceof CredentialsError || (error instanceof RefusedError && error.problem.status < 500)
}

function isNameTaken(error: unknown): boolean {
  return error instanceof RefusedError && error.code === 'already-exists'
}

function nameTaken({ name, state }: Registrant, file: string, cause: unknown): CredentialsError {
  return new CredentialsError(
    file,
    `${state.server} has an agent called ${JSON.stringify(name)}, and its key is not in ${file}: ` +
      `bring that file from where the agent was registered, or choose another name`,
    cause,
  )
}

function answerLost({ name, state }: Registrant, file: string, pending: PendingKey, cause: unknown): CredentialsError {
  const { thumbprint } = parseAgentKey(pending.privateKey, file)
  return new CredentialsError(
    file,
    `an earlier run began to register ${JSON.stringify(name)} at ${state.server} and did not get the answer. ` +
      `Find its id with \`agent-iam agents list\` (key thumbprint ${thumbprint}) and call secure with that agentId once; ` +
      `if no agent has this thumbprint, remove ${file} and choose another name`,
    cause,
  )
}
