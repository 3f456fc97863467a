import { setTimeout as sleep } from 'node:timers/promises'
import { createPrivateKey, randomBytes, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import manifest from '../../package.json' with { type: 'json' }
import { connect, type Client } from '@agent-iam/sdk'
import { freePort } from '../../server/test/free-port.ts'
import { HttpConnection, postRequest, type Answer } from './http-connection.ts'
import type { Target } from './load.ts'
import { startProgram, type Program } from './program.ts'
import type { Grant, Question, Workload } from './workload.ts'

const root = resolve(import.meta.dirname, '../..')
const email = 'admin@example.com'
const password = 'a long password for the bench'
const checkPath = '/api/v1/authz/check'

export interface AgentIam extends Program {
  readonly url: string
  readonly port: number
  /** Where it keeps what is not in a database. */
  readonly folder: string
}

/** Our server as a process of its own, as `npm start` runs it: embedded, or on a PostgreSQL. */
export async function startAgentIam(
  folder: string,
  databaseUrl?: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<AgentIam> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const program = await startProgram({
    command: process.execPath,
    args: startArguments,
    cwd: folder,
    env: {
      AGENT_IAM_PORT: `${port}`,
      AGENT_IAM_DATA: join(folder, 'data'),
      AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json'),
      AGENT_IAM_LOG_LEVEL: 'error',
      // People log in from addresses of their own, since logins are limited by address.
      AGENT_IAM_TRUSTED_PROXIES: '127.0.0.1',
      // Limits are looked up and counted as ever; few agents send what many would, so theirs are far off.
      AGENT_IAM_REQUESTS_PER_AGENT: '1000000',
      AGENT_IAM_REQUESTS_PER_USER: '1000000',
      AGENT_IAM_REQUESTS_PER_SERVICE: '1000000',
      AGENT_IAM_REQUESTS_PER_API_KEY: '1000000',
      AGENT_IAM_REQUESTS_PER_ENROLMENT_TOKEN: '1000000',
      AGENT_IAM_LOGINS_PER_ACCOUNT: '1000000',
      AGENT_IAM_ANONYMOUS_ROWS_PER_ADDRESS: '1000000',
      AGENT_IAM_ANONYMOUS_ROWS_PER_TENANT: '1000000',
      AGENT_IAM_REQUESTS_PER_ADDRESS: '1000000',
      ...settings,
      ...(databaseUrl !== undefined && {
        DATABASE_URL: databaseUrl,
        AGENT_IAM_PUBLIC_URL: url,
        AGENT_IAM_MASTER_KEY: masterKey,
      }),
    },
    readyUrl: `http://127.0.0.1:${port}/health/ready`,
  })
  return { ...program, url, port, folder }
}

/** Those of `npm start`, after `node`. */
const startArguments = manifest.scripts.start
  .split(' ')
  .slice(1)
  .map((word) => (word.endsWith('.ts') ? join(root, word) : word))

/** One for the whole run: a server that starts a second time must find what it sealed. */
const masterKey = randomBytes(32).toString('base64url')

export interface RegisteredAgent {
  readonly agentId: `agt_${string}`
  readonly privateKey: string
}

/** A server that holds the workload's agents and policies. */
export interface FilledServer {
  readonly server: AgentIam
  readonly workload: Workload
  readonly agents: readonly RegisteredAgent[]
}

/** Makes the administrator through the setup link; its access token. */
export async function setUp(server: AgentIam): Promise<string> {
  const link = await setupLink(join(server.folder, 'data', 'setup-link'))
  const token = new URLSearchParams(new URL(link.trim()).hash.slice(1)).get('token') ?? ''
  await connect({ server: server.url }).setup.complete({ body: { token, email, password } })
  return administratorToken(server)
}

/** Finishes the setup and makes agents and policies, all through the API; `then` is told each agent that was made. */
export async function fill(
  server: AgentIam,
  workload: Workload,
  then: (agent: RegisteredAgent) => Promise<void> = () => Promise.resolve(),
): Promise<FilledServer> {
  const admin = connect({ server: server.url, token: await setUp(server) })
  for (const area of workload.guarded)
    await admin.policies.create({ body: { name: `tickets for ${area}`, policy: forbidWithoutTicket(area) } })
  const agents: RegisteredAgent[] = []
  for (const [index, grants] of workload.agents.entries()) {
    const agent = await register(admin, `agent ${index}`, grants)
    agents.push(agent)
    await then(agent)
  }
  return { server, workload, agents }
}

/** The link is written a moment after the server answers: until then there is no such file. */
async function setupLink(file: string): Promise<string> {
  for (;;) {
    const link = await readFile(file, 'utf8').catch(() => undefined)
    if (link !== undefined && link.endsWith('\n')) return link
    await sleep(setupLinkRetryMs)
  }
}

const setupLinkRetryMs = 20

/** Logs every agent in: the questions as they ask them, good until their tokens end. */
export async function targetOf(filled: FilledServer, name: string): Promise<Target> {
  const { server, workload } = filled
  const tokens = await logInAll(filled)
  return {
    name,
    port: server.port,
    requests: workload.questions.map((question) => requestOf(question, tokens[question.agent] ?? '')),
    check: (question, answer) => checkAnswer(workload.questions[question], answer),
  }
}

/** A token of each agent, by its place. */
export async function logInAll({ server, agents }: FilledServer): Promise<string[]> {
  const tokens: string[] = []
  for (const agent of agents) tokens.push(await logIn(server, agent))
  return tokens
}

/** More keys than a server makes within an hour. */
const keyEventsMax = 100

/**
 * How many events the log holds, but for those of signing keys, which the server makes by itself when it is time. The
 * administrator's reads add none, its login does.
 */
export async function logSizeReader(server: AgentIam): Promise<() => Promise<number>> {
  const admin = await administrator(server)
  return async () => {
    const { size } = await admin.audit.head()
    const { events } = await admin.audit.list({ query: { type: 'signing-key.created', limit: keyEventsMax } })
    return size - events.length
  }
}

/** Throws unless a token with one letter changed is refused: the signature is really looked at. */
export async function requireTokensAreVerified({ port, requests }: Target): Promise<void> {
  const request = requests[0]?.toString() ?? ''
  const forged = request.replace(
    /(authorization: Bearer [^.]+\.[^.]+\.)(.)/,
    (_, start, letter) => `${start}${letter === 'A' ? 'B' : 'A'}`,
  )
  if (forged === request) throw new Error('there is no token to change')
  const { status } = await askAlone(port, Buffer.from(forged))
  if (status !== 401) throw new Error(`a changed token is answered with ${status}`)
}

/** The size of a usual answer. */
export async function answerBytesOf({ port, requests }: Target): Promise<number> {
  return (await askAlone(port, requests[0] ?? Buffer.alloc(0))).body.length
}

export async function askAlone(port: number, request: Buffer): Promise<Answer> {
  const connection = await HttpConnection.open(port)
  try {
    return await connection.ask(request)
  } finally {
    connection.close()
  }
}

export async function administrator(server: AgentIam): Promise<Client> {
  return connect({ server: server.url, token: await administratorToken(server) })
}

export async function administratorToken({ url }: AgentIam): Promise<string> {
  return (await connect({ server: url }).auth.login({ body: { email, password } })).accessToken
}

async function register(admin: Client, name: string, grants: readonly Grant[]): Promise<RegisteredAgent> {
  const { agentId, privateKey } = await admin.agents.register({ body: { name, capabilities: grants.map(entryOf) } })
  if (privateKey === undefined) throw new Error(`${name} got no key`)
  return { agentId, privateKey }
}

async function logIn({ url }: AgentIam, { agentId, privateKey }: RegisteredAgent): Promise<string> {
  const { auth } = connect({ server: url })
  const { challenge } = await auth.challenge({ params: { agentId } })
  const signature = sign(null, Buffer.from(challenge), createPrivateKey(privateKey)).toString('base64url')
  const { accessToken } = await auth.login({
    body: { agentId, credentials: { type: 'signature', challenge, signature } },
  })
  return accessToken
}

function entryOf({ type, area, action }: Grant): string {
  return `${type}/${area}/*:${action}`
}

function forbidWithoutTicket(area: string): string {
  return `forbid(principal, action == AgentIam::Action::"write", resource)
    when { resource.id like "${area}/*" } unless { context.request has ticket };`
}

function requestOf(question: Question, token: string): Buffer {
  return postRequest(checkPath, bodyOf(question), { authorization: `Bearer ${token}` })
}

/** A question as it is sent. */
export function bodyOf({ type, id, action, context }: Question) {
  return { resource: `${type}/${id}`, action, context }
}

const allowed = Buffer.from('"allowed":true')

function checkAnswer(question: Question | undefined, { status, body }: Answer): void {
  if (status !== 200 || body.includes(allowed) !== question?.isAllowed)
    throw new Error(`Agent IAM answers ${status} ${body.toString()} to ${JSON.stringify(question)}`)
}
