import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { formatChallenge, registrationText } from '@agent-iam/contract/agent-proofs'
import { AgentLogin, type Tokens } from '@agent-iam/contract/auth'
import { type Agent, RegisterAgent } from '@agent-iam/contract/agents'
import { DelegateAgent } from '@agent-iam/contract/delegation'
import type { AgentId } from '@agent-iam/contract/ids'
import { type ProblemCode, problems } from '@agent-iam/contract/problems'
import { fromBase64url } from '@agent-iam/standards/base64url'
import { thumbprint } from '@agent-iam/standards/ed25519-key'
import { z } from 'zod'

const MintBiscuit = z.object({ capabilities: z.array(z.string()).default([]) })

interface KnownAgent {
  readonly agentId: string
  readonly name: string
  readonly publicKey: string
  suspended: boolean
  proved: boolean
}

/** A server small enough to see through, behind the `fetch` of a client. It checks signatures for real. */
export class FakeServer {
  readonly url = 'http://fake.test'
  issuer = this.url
  readonly agents = new Map<string, KnownAgent>()
  /** `METHOD /path` of every request, in order. */
  readonly requests: string[] = []
  readonly bodies: unknown[] = []
  expiresIn = 900
  /** Every proof of possession that was accepted. */
  readonly proofs: string[] = []
  /** What proofs must hold, if anything. */
  nonce: string | undefined
  allowed = true
  /** Codes to refuse the next requests of a path with. */
  readonly refusals = new Map<string, ProblemCode[]>()
  /** How long the next answers to a check take, once they are made. */
  readonly slowAnswersMs: number[] = []
  /** Takes a request but loses its answer. */
  readonly loseAnswers = new Set<string>()
  challenge: ((agentId: string) => string) | undefined
  readonly #tokens = new Map<string, string>()
  #counter = 0

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    const { pathname } = new URL(request.url)
    const body: unknown = request.method === 'GET' ? undefined : JSON.parse((await request.text()) || 'null')
    this.requests.push(`${request.method} ${pathname}`)
    this.bodies.push(body)
    // Every answer takes a moment, so that what may overlap does.
    await sleep(5)
    const refused = this.refusals.get(pathname)?.shift()
    const answer = refused ? problem(refused) : this.#answerProved(request, pathname, body)
    if (pathname === '/api/v1/authz/check') await sleep(this.slowAnswersMs.shift() ?? 0)
    if (this.loseAnswers.has(pathname)) throw new TypeError('fetch failed', { cause: new Error('connection reset') })
    return answer
  }

  /** How many requests a path got. */
  count(path: string): number {
    return this.requests.filter((request) => request.endsWith(path)).length
  }

  endSessions(): void {
    this.#tokens.clear()
  }

  /** As the server does: a proof that is there must be right, and a token that is bound needs one. */
  #answerProved(request: Request, path: string, body: unknown): Response {
    const authorization = request.headers.get('authorization')
    const proof = request.headers.get('dpop')
    if (proof === null)
      return authorization?.startsWith('DPoP ') ? problem('invalid-proof') : this.#answer(path, body, authorization)
    const token = authorization?.slice('DPoP '.length)
    const agent = this.agents.get(this.#tokens.get(token ?? '') ?? String(Object(body).agentId))
    const { nonce, ...claims } = readProof(proof, agent?.publicKey)
    if (this.nonce !== undefined && nonce !== this.nonce) return problem('use-dpop-nonce', { 'dpop-nonce': this.nonce })
    const right = { htm: request.method, htu: this.url + path, ...(token && { ath: digestOf(token) }) }
    if (!isDeepStrictEqual(claims, right)) return problem('invalid-proof')
    this.proofs.push(proof)
    return this.#answer(path, body, authorization)
  }

  #answer(path: string, body: unknown, authorization: string | null): Response {
    if (path === '/api/v1/agents') return this.#register(RegisterAgent.parse(body))
    if (path.startsWith('/api/v1/auth/challenge/')) return this.#challenge(path.slice('/api/v1/auth/challenge/'.length))
    if (path === '/api/v1/auth/login') return this.#login(AgentLogin.parse(body))
    if (path === '/api/v1/auth/refresh') return this.#refresh(body)
    const agentId = this.#tokens.get((authorization ?? '').replace(/^DPoP /, ''))
    if (!agentId) return problem('token-revoked')
    if (path === '/api/v1/auth/logout')
      return Response.json({ sessionId: this.#id('ses'), endedAt: '2030-01-01T00:00:00Z' })
    if (path === '/api/v1/authz/check') return Response.json(this.#decision())
    if (path === '/api/v1/delegations') return this.#delegate(agentId, DelegateAgent.parse(body))
    if (path === '/api/v1/tokens/biscuit') return this.#mint(MintBiscuit.parse(body))
    return Response.json({ decisionId: this.#id('dec'), record }, { status: 201 })
  }

  #register({ name, publicKey, proof }: RegisterAgent): Response {
    if (typeof publicKey !== 'string') return problem('invalid-request')
    if ([...this.agents.values()].some((agent) => agent.name === name || agent.publicKey === publicKey))
      return problem('already-exists')
    const agentId = newAgentId()
    const text = registrationText(this.issuer, name, thumbprint(fromBase64url(publicKey)), proof?.issuedAt ?? '')
    const proved = proof !== undefined && isSigned(publicKey, text, proof.signature)
    this.agents.set(agentId, { agentId, name, publicKey, suspended: false, proved })
    return Response.json({ ...agentOf(agentId, name), issuer: this.issuer }, { status: 201 })
  }

  #challenge(agentId: string): Response {
    const expiresAt = '2030-01-01T00:01:00.000Z'
    const challenge =
      this.challenge?.(agentId) ?? formatChallenge({ issuer: this.issuer, agentId, expiresAt, nonce: 'n', mac: 'm' })
    return Response.json({ challenge, expiresAt })
  }

  #login({ agentId, credentials }: AgentLogin): Response {
    const agent = this.agents.get(agentId)
    if (!agent || credentials.type !== 'signature') return problem('invalid-credentials')
    if (!isSigned(agent.publicKey, credentials.challenge, credentials.signature)) return problem('invalid-credentials')
    return agent.suspended ? problem('identity-inactive') : Response.json(this.#tokensFor(agentId))
  }

  #refresh(body: unknown): Response {
    const token = String(Object(body).refreshToken)
    const agentId = this.#tokens.get(token)
    if (!agentId) return problem('invalid-token')
    this.#tokens.delete(token)
    return Response.json(this.#tokensFor(agentId))
  }

  #delegate(parent: string, { name, publicKey }: DelegateAgent): Response {
    if (typeof publicKey !== 'string') return problem('invalid-request')
    const agentId = newAgentId()
    this.agents.set(agentId, { agentId, name, publicKey, suspended: false, proved: false })
    const chain = [parent, agentId]
    const answer = { ...agentOf(agentId, name), parent, issuer: this.issuer, chain, token: this.#tokensFor(agentId) }
    return Response.json(answer, { status: 201 })
  }

  #mint({ capabilities }: z.output<typeof MintBiscuit>): Response {
    const minted = { token: 'En0K', tokenType: 'biscuit', sessionId: this.#id('ses'), rights: capabilities }
    const ends = { expiresAt: '2030-01-01T01:00:00.000Z', revocationId: '0'.repeat(128) }
    return Response.json({ ...minted, ...ends }, { status: 201 })
  }

  #tokensFor(agentId: string): Tokens {
    const [accessToken, refreshToken] = [`access-${++this.#counter}`, `refresh-${this.#counter}`]
    this.#tokens.set(accessToken, agentId).set(refreshToken, agentId)
    return { accessToken, refreshToken, expiresIn: this.expiresIn, tokenType: 'DPoP' }
  }

  #decision() {
    return {
      allowed: this.allowed,
      decision: this.allowed ? 'allow' : 'deny',
      reason: this.allowed ? 'A capability or role permits it' : 'Nothing permits it',
      reasons: [],
      trustScore: 0.5,
      riskLevel: 'MEDIUM',
      trustBasis: 'initial',
      basis: 'token',
      requestId: 'req_1',
      decisionId: this.#id('dec'),
      record,
    }
  }

  #id(prefix: string): string {
    return `${prefix}_${randomBytes(16).toString('hex')}`
  }
}

function newAgentId(): AgentId {
  return `agt_${randomBytes(16).toString('hex')}`
}

const record = { log: `log_${'0'.repeat(32)}`, sequence: 7, leafHash: '0'.repeat(64) }

/** All that the contract shows of an agent. */
function agentOf(agentId: AgentId, name: string): Agent {
  const createdAt = '2030-01-01T00:00:00.000Z'
  return {
    agentId,
    name,
    type: 'worker',
    status: 'active',
    trustScore: 0.5,
    trustBasis: 'initial',
    riskLevel: 'MEDIUM',
    owner: `usr_${'0'.repeat(32)}`,
    parent: null,
    taskId: null,
    taskScope: null,
    isStopped: false,
    stoppedBy: null,
    capabilities: [],
    metadata: {},
    tags: [],
    keyThumbprint: null,
    createdAt,
    updatedAt: createdAt,
    expiresAt: null,
    lastActivity: null,
    revision: 1,
  }
}

function problem(code: ProblemCode, headers: Record<string, string> = {}): Response {
  const { status, title } = problems[code]
  const document = { type: `urn:agent-iam:problem:${code}`, title, status, code, requestId: 'req_1' }
  return Response.json(document, { status, headers })
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

const ProofHeader = z.strictObject({
  typ: z.literal('dpop+jwt'),
  alg: z.literal('EdDSA'),
  jwk: z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() }),
})
const ProofClaims = z.object({
  htm: z.string(),
  htu: z.string(),
  ath: z.string().optional(),
  nonce: z.string().optional(),
})

/** The claims of a DPoP proof that the agent's key signed. A refresh does not say whose it is. */
function readProof(proof: string, publicKey: string | undefined): Partial<z.infer<typeof ProofClaims>> {
  const [head = '', claims = '', signature = ''] = proof.split('.')
  const { jwk } = ProofHeader.parse(JSON.parse(Buffer.from(head, 'base64url').toString()))
  const isOwn = publicKey === undefined || jwk.x === publicKey
  if (!isOwn || !isSigned(jwk.x, `${head}.${claims}`, signature)) return {}
  return ProofClaims.parse(JSON.parse(Buffer.from(claims, 'base64url').toString()))
}

function isSigned(publicKey: string, text: string, signature: string): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
  return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
}
