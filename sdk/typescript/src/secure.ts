import type { AgentId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import { Agent, type ReportErrorListener } from './agent.ts'
import { AgentSession } from './agent-session.ts'
import type { Connection } from './call.ts'
import { type Clock, systemClock } from './clock.ts'
import { readLocalState } from './config.ts'
import { CredentialsError } from './errors.ts'
import { adoptNextKey, withNextKey } from './key-rotation.ts'
import type { KeptIdentity } from './own-identity.ts'
import { findOrRegister } from './registration.ts'

export interface SecureOptions {
  /** Default: `AGENT_IAM_URL`, else the only server in the credentials file, else `http://localhost:9000`. */
  readonly server?: string
  /** The tenant's short name, where the server's own entry does not tell. */
  readonly tenant?: string
  /** What to ask for at registration, such as `file/docs/*:read`. Without effect once registered. */
  readonly capabilities?: readonly string[]
  /** What kind of agent it is, such as `worker`. */
  readonly type?: string
  readonly metadata?: Readonly<Record<string, Json>>
  /** What may register it. Default: `AGENT_IAM_ENROLMENT_TOKEN`, else what the server left on this machine. */
  readonly enrolmentToken?: string
  /** Its id, only to complete a registration whose answer was lost; the error then says so. */
  readonly agentId?: AgentId
  /** Default: the folder of `AGENT_IAM_CREDENTIALS`, else `~/.config/agent-iam`. */
  readonly credentialsDir?: string
  readonly fetch?: typeof globalThis.fetch
  readonly clock?: Clock
  /** Default: a warning of the process. */
  readonly onReportError?: ReportErrorListener
}

/**
 * Gives a program its identity. The first run makes a key, keeps it in a file that only its user may read, and
 * registers it; every later run uses that key. Then it logs in.
 *
 * @example
 * const agent = await secure('nightly-indexer', { capabilities: ['file/docs/*:read'] })
 * const decision = await agent.check('read', 'file/docs/guide.md')
 */
export async function secure(agentName: string, options: SecureOptions = {}): Promise<Agent> {
  // As the server keeps names, so that two spellings of one name are one agent with one key file.
  const name = agentName.normalize('NFC')
  const { clock = systemClock, fetch, onReportError = warn } = options
  const state = await readLocalState(options)
  const identity = await findOrRegister({ ...options, name, state, clock })
  const session = await logIn({ server: state.server, fetch }, identity, clock)
  return new Agent({ id: identity.agentId, name }, session, clock, onReportError)
}

/** Logs in, and completes a change of keys that an earlier run began. */
async function logIn(connection: Connection, identity: KeptIdentity, clock: Clock): Promise<AgentSession> {
  const session = new AgentSession(connection, identity, clock)
  const isChanging = identity.kept.stored.nextPrivateKey !== undefined
  try {
    await session.token()
    if (isChanging) await session.rotateKey()
    return session
  } catch (error) {
    // The old key's grace may have ended; then the server knows the new one.
    if (!(isChanging && error instanceof CredentialsError)) throw error
    const renewed = new AgentSession(connection, withNextKey(identity), clock)
    await renewed.token()
    await adoptNextKey(identity)
    return renewed
  }
}

function warn(error: Error): void {
  process.emitWarning(error)
}
