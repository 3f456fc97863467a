import type { Agent } from '@agent-iam/contract/agents'
import { login, refresh } from '@agent-iam/contract/auth'
import { confirmCreation, type Creation, listCreations } from '@agent-iam/contract/creations'
import { type ProblemCode, problems } from '@agent-iam/contract/problems'
import { chainNext, chainStart } from '@agent-iam/standards/hash-chain'
import { toHex } from '@agent-iam/standards/hex'
import { leafHash } from '@agent-iam/standards/merkle'

interface Leaf {
  readonly sequence: number
  readonly leaf: string
  readonly leafHash: string
  readonly chain: string
}

/** The pages that one command reads, and nothing behind them: what a server is made to say, true or not. */
export class FakeApi {
  log = `log_${'a'.repeat(32)}`
  leaves: Leaf[] = aLog(6)
  head = { size: 6, chain: this.leaves[5]?.chain ?? '' }
  differences: Array<{ readonly sequence: number; readonly column: string }> = []
  agentNames = ['nightly-indexer']
  creations: Creation[] = []
  #refreshToken = ''
  #counter = 0

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    const body: unknown = request.method === 'POST' ? await request.json() : undefined
    return this.#answer(new URL(request.url), body, request.headers.get('authorization'))
  }

  /** Does to the log what a transcript asks for. */
  tamper(how: string): void {
    const [verb, at = 0] = how.split(' ').map((word) => (/^\d+$/.test(word) ? Number(word) : word))
    const index = Number(at)
    if (verb === 'flip') this.leaves = this.leaves.map((leaf) => (leaf.sequence === index ? flip(leaf) : leaf))
    else if (verb === 'drop') this.leaves = this.leaves.filter(({ sequence }) => sequence !== index)
    else if (verb === 'cut') this.#cut(index)
    else if (verb === 'retype') this.differences = [{ sequence: index, column: 'type' }]
    else if (verb === 'grow') this.#become(aLog(index))
    else if (verb === 'rename') this.agentNames = ['evil\u001b[2J\u202ename']
    else if (verb === 'create') this.creations = [creationOf('indexer of an app')]
    else if (verb === 'replace') this.log = `log_${'b'.repeat(32)}`
    else throw new RangeError(`no way to tamper: ${how}`)
  }

  #cut(size: number): void {
    this.#become(this.leaves.slice(0, size))
  }

  #become(leaves: Leaf[]): void {
    this.leaves = leaves
    this.head = { size: leaves.length, chain: leaves.at(-1)?.chain ?? '' }
  }

  #answer({ pathname, searchParams }: URL, body: unknown, authorization: string | null): Response {
    if (pathname === login.path) return this.#login(body)
    if (pathname === refresh.path) return this.#refresh(body)
    if (!authorization) return problem('unauthenticated')
    if (pathname === '/api/v1/agents') return Response.json({ agents: this.agentNames.map(agentOf), nextCursor: null })
    if (pathname === listCreations.path) return Response.json({ creations: this.creations, nextCursor: null })
    if (pathname.endsWith('/confirm')) return this.#confirm(body)
    if (pathname === '/api/v1/auth/validate') return Response.json(validity)
    const head = { log: this.log, ...this.head, epoch: 0 }
    if (pathname === '/api/v1/audit/head') return Response.json(head)
    if (pathname === '/api/v1/audit/differences')
      return Response.json({ head, next: null, differences: this.differences })
    const from = Number(searchParams.get('from'))
    return Response.json({ head, leaves: this.leaves.filter(({ sequence }) => sequence >= from).slice(0, 4) })
  }

  #login(body: unknown): Response {
    const read = login.body?.safeParse(body)
    if (!read?.success || !('password' in read.data)) return problem('invalid-request')
    return read.data.password === 'correct horse battery' ? this.#tokens() : problem('invalid-credentials')
  }

  #confirm(body: unknown): Response {
    const read = confirmCreation.body?.safeParse(body)
    const proof = read?.data?.proof
    if (proof?.type !== 'password' || proof.password !== 'correct horse battery') return problem('invalid-credentials')
    const [creation] = this.creations
    this.creations = []
    return creation ? Response.json({ creationId: creation.creationId, confirmed: true }) : problem('not-found')
  }

  #refresh(body: unknown): Response {
    const read = refresh.body?.safeParse(body)
    return read?.data?.refreshToken === this.#refreshToken ? this.#tokens() : problem('token-revoked')
  }

  #tokens(): Response {
    this.#counter += 1
    this.#refreshToken = `refresh-${this.#counter}`
    const accessToken = `access-${this.#counter}`
    return Response.json({ accessToken, refreshToken: this.#refreshToken, expiresIn: 900, tokenType: 'Bearer' })
  }
}

const id = <Prefix extends string>(prefix: Prefix): `${Prefix}_${string}` => `${prefix}_${'0'.repeat(32)}`
const instant = '2030-01-01T00:00:00.000Z'
const validity = { valid: true, identityId: id('usr'), tenantId: id('ten'), sessionId: id('ses'), expiresAt: instant }

function aLog(size: number): Leaf[] {
  let chain = chainStart
  return Array.from({ length: size }, (_, sequence) => {
    const bytes = Buffer.from(`{"entry":${sequence}}`)
    const hash = leafHash(bytes)
    chain = chainNext(chain, hash)
    return { sequence, leaf: bytes.toString('base64'), leafHash: toHex(hash), chain: toHex(chain) }
  })
}

function flip(leaf: Leaf): Leaf {
  const bytes = Buffer.from(leaf.leaf, 'base64')
  bytes[3] = (bytes[3] ?? 0) ^ 1
  return { ...leaf, leaf: bytes.toString('base64') }
}

function agentOf(name: string): Agent {
  return {
    agentId: id('agt'),
    name,
    type: 'worker',
    status: 'active',
    trustScore: 0.5,
    trustBasis: 'initial',
    riskLevel: 'MEDIUM',
    owner: id('usr'),
    parent: null,
    taskId: null,
    taskScope: null,
    isStopped: false,
    stoppedBy: null,
    tags: [],
    revision: 1,
    capabilities: [],
    metadata: {},
    keyThumbprint: null,
    createdAt: instant,
    updatedAt: instant,
    expiresAt: null,
    lastActivity: null,
  }
}

function problem(code: ProblemCode): Response {
  const { status, title } = problems[code]
  return Response.json({ type: `urn:agent-iam:problem:${code}`, title, status, code, requestId: 'req_1' }, { status })
}

function creationOf(name: string): Creation {
  const source = { sessionId: id('ses'), method: 'oauth', clientId: id('cli'), name: 'An app' } as const
  return { creationId: id('agt'), kind: 'agent', name, serviceId: null, createdAt: instant, expiresAt: null, source }
}
