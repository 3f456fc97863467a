import { parseChallenge } from '@agent-iam/contract/agent-proofs'
import { getChallenge, login, logout, refresh, type Tokens } from '@agent-iam/contract/auth'
import { type DelegateAgent, delegateAgent } from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import type { z } from 'zod'
import { makeAgentKey } from './agent-key.ts'
import { call, type Connection } from './call.ts'
import type { Clock } from './clock.ts'
import { AgentIamError, CredentialsError, RefusedError, UnreachableError, UnsafeChallengeError } from './errors.ts'
import { rotateKey } from './key-rotation.ts'
import type { KeptIdentity, OwnIdentity } from './own-identity.ts'
import { Possession } from './possession.ts'

/** What is asked of a child; its key is made here. */
type ChildBody = Omit<z.input<typeof DelegateAgent>, 'publicKey' | 'biscuit'>

/** An agent with a session that has begun. */
interface Child {
  readonly id: AgentId
  readonly name: string
  readonly session: AgentSession
}

interface LiveTokens {
  readonly accessToken: string
  readonly refreshToken: string
  /** Whether the tokens are bound to the agent's key. */
  readonly isBound: boolean
  readonly renewAt: number
  readonly endsAt: number
}

/** Tokens are renewed this long before they end: longer than any request takes. */
const renewAheadSeconds = 60

/** One login of an agent, kept alive: renewed ahead of its end, begun anew when the server has ended it. */
export class AgentSession {
  readonly #connection: Connection
  #identity: OwnIdentity
  readonly #clock: Clock
  #possession: Possession
  #tokens: LiveTokens | undefined
  /** The renewal on its way, which all who need a token share. */
  #renewal: Promise<LiveTokens> | undefined

  /** With tokens it begins as their session; without, by logging in. */
  constructor(connection: Connection, identity: OwnIdentity, clock: Clock, tokens?: Tokens) {
    this.#connection = connection
    this.#identity = identity
    this.#clock = clock
    this.#possession = new Possession(identity.key, clock)
    if (tokens) this.#keep(tokens)
  }

  /** An access token that will not end within the next request. */
  async token(): Promise<string> {
    const tokens = this.#tokens
    if (tokens && this.#now() < tokens.renewAt) return tokens.accessToken
    try {
      return (await this.#once(() => this.#renew(tokens))).accessToken
    } catch (error) {
      // The token in hand outlives a short outage.
      if (tokens && error instanceof UnreachableError && this.#now() < tokens.endsAt) return tokens.accessToken
      throw error
    }
  }

  /** Runs a request; when the server has ended the session, logs in and runs it again, once. */
  async run<T>(request: (connection: Connection) => Promise<T>): Promise<T> {
    const token = await this.token()
    try {
      return await request(this.#with(token))
    } catch (error) {
      if (!isSessionOver(error)) throw error
      const fresh = await this.#replace(token)
      return request(this.#with(fresh))
    }
  }

  /** Ends the session at the server. One that cannot be ended there ends by itself. */
  async end(): Promise<void> {
    const tokens = this.#tokens
    if (!tokens) return
    const connection = this.#with(tokens.accessToken)
    this.#tokens = undefined
    try {
      await call(connection, logout)
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof UnreachableError)) throw error
    }
  }

  /** Makes a child with a key of its own, whose session begins with the tokens of the answer. */
  async delegate(body: ChildBody): Promise<Child> {
    const key = makeAgentKey()
    const { agentId, name, token } = await this.run((connection) =>
      call(connection, delegateAgent, { body: { ...body, publicKey: key.publicKey } }),
    )
    const identity = { agentId, issuer: this.#identity.issuer, key, kept: undefined }
    return { id: agentId, name, session: new AgentSession(this.#connection, identity, this.#clock, token) }
  }

  /** Gives the agent a new key, and goes on with it. */
  async rotateKey(graceSeconds?: number): Promise<void> {
    const renewed = await rotateKey(
      requireKept(this.#identity),
      (request) => this.run(request),
      this.#clock,
      graceSeconds,
    )
    await this.end()
    this.#identity = renewed
    this.#possession = new Possession(renewed.key, this.#clock)
  }

  /** To the server with a token, and with a proof where the token is bound to the key. */
  #with(token: string): Connection {
    return { ...this.#connection, token, ...(this.#tokens?.isBound && { possession: this.#possession }) }
  }

  /** To where tokens are handed out: they are bound to the key that the request proves. */
  get #binding(): Connection {
    return { ...this.#connection, possession: this.#possession }
  }

  /** Of many requests that fail with one token, the first logs in; the others take what it got. */
  async #replace(failed: string): Promise<string> {
    if (this.#tokens && this.#tokens.accessToken !== failed) return this.#tokens.accessToken
    return (await this.#once(() => this.#login())).accessToken
  }

  #once(renew: () => Promise<LiveTokens>): Promise<LiveTokens> {
    this.#renewal ??= renew().finally(() => {
      this.#renewal = undefined
    })
    return this.#renewal
  }

  async #renew(tokens: LiveTokens | undefined): Promise<LiveTokens> {
    if (!tokens) return this.#login()
    try {
      return this.#keep(await call(this.#binding, refresh, { body: { refreshToken: tokens.refreshToken } }))
    } catch (error) {
      if (!isSessionOver(error)) throw error
      return this.#login()
    }
  }

  async #login(): Promise<LiveTokens> {
    const { agentId, issuer, key } = this.#identity
    const { challenge } = await call(this.#connection, getChallenge, { params: { agentId }, query: { issuer } })
    this.#requireOwnChallenge(challenge)
    const credentials = { type: 'signature', challenge, signature: key.sign(challenge) } as const
    try {
      return this.#keep(await call(this.#binding, login, { body: { agentId, credentials } }))
    } catch (error) {
      throw error instanceof RefusedError && error.code === 'invalid-credentials' ? this.#staleKey(error) : error
    }
  }

  /** Whatever else the key signed could be used against its owner: another server's login, or anything at all. */
  #requireOwnChallenge(text: string): void {
    const { issuer, agentId } = this.#identity
    const challenge = parseChallenge(text)
    if (!challenge) throw new UnsafeChallengeError(`${this.#connection.server} sent no challenge to sign`)
    if (challenge.issuer !== issuer)
      throw new UnsafeChallengeError(
        `the challenge is of ${challenge.issuer}, but the agent was registered at ${issuer}`,
      )
    if (challenge.agentId !== agentId)
      throw new UnsafeChallengeError(`the challenge is for ${challenge.agentId}, but this agent is ${agentId}`)
  }

  #keep({ accessToken, refreshToken, expiresIn, tokenType }: Tokens): LiveTokens {
    const now = this.#now()
    // A very short token is renewed at half its life, or it would be renewed at every request.
    const aheadSeconds = Math.min(renewAheadSeconds, expiresIn / 2)
    const tokens = {
      accessToken,
      refreshToken,
      isBound: tokenType === 'DPoP',
      renewAt: now + (expiresIn - aheadSeconds) * 1000,
      endsAt: now + expiresIn * 1000,
    }
    this.#tokens = tokens
    return tokens
  }

  #staleKey(cause: RefusedError): AgentIamError {
    const { agentId, kept } = this.#identity
    const { server } = this.#connection
    if (!kept)
      return new AgentIamError(
        `${server} does not accept the key of ${agentId}, a child of this process: its time is over, or it was ended ` +
          `there. Let its parent delegate anew`,
        { cause },
      )
    const message =
      `${server} does not accept the key in ${kept.file} for ${agentId}: the agent was ended there, or the server's ` +
      `data was replaced. To register it anew: rm '${kept.file}' and run again; to keep it: restore that data`
    return new CredentialsError(kept.file, message, cause)
  }

  #now(): number {
    return this.#clock.now().getTime()
  }
}

function requireKept(identity: OwnIdentity): KeptIdentity {
  const { kept } = identity
  if (kept) return { ...identity, kept }
  throw new AgentIamError(
    `${identity.agentId} is a child, whose key no file keeps, so it is not changed: let its parent delegate anew`,
  )
}

function isSessionOver(error: unknown): boolean {
  return error instanceof RefusedError && (error.code === 'token-revoked' || error.code === 'invalid-token')
}
