import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Server as HttpsServer, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type PeerCertificate, TLSSocket, type ConnectionOptions } from 'node:tls'
import { pinAgentCertificate } from '@agent-iam/contract/certificates'
import { Tokens } from '@agent-iam/contract/auth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog } from '../src/platform/log.ts'
import { loadTls, watchTls, type TlsFiles } from '../src/transport/tls.ts'
import { makeAgent, type TestAgent } from './agents.ts'
import { selfSigned, type TestCertificate } from './certificates.ts'
import { databases } from './databases.ts'
import { freePort } from './free-port.ts'
import { dpopHeaders, proofKey, proofOf } from './proofs.ts'
import { openServer, type TestServer } from './test-server.ts'

const watchMs = 50

let folder: string
let files: TlsFiles
let authority: TestCertificate
let server: TestServer
let agent: TestAgent
let certificate: TestCertificate
let port: number
let tlsServer: HttpsServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-iam-tls-'))
  files = {
    certificate: join(folder, 'server.pem'),
    key: join(folder, 'server.key'),
    clientAuthorities: join(folder, 'clients.pem'),
  }
  authority = await selfSigned('authority', { isAuthority: true })
  await write(await authority.issue('server one'))
  await writeFile(join(folder, 'clients.pem'), authority.pem)
  port = await freePort()
  const open = databases[0]?.[1]
  if (!open) throw new Error('there is no database')
  server = await openServer(await open(), { tls: await loadTls(files), address: `https://localhost:${port}` })
  agent = await makeAgent(server, await server.admin())
  certificate = await authority.issue(agent.name)
  await pin(certificate)
  await server.app.http.listen({ port, host: '127.0.0.1' })
  if (!(server.app.http.server instanceof HttpsServer)) throw new Error('it does not speak TLS')
  tlsServer = server.app.http.server
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

async function write({ pem, key }: TestCertificate): Promise<void> {
  await writeFile(files.certificate, pem)
  await writeFile(files.key, key)
}

async function pin({ pem }: TestCertificate): Promise<void> {
  const input = { params: { agentId: agent.id }, body: { certificate: pem }, token: await server.admin() }
  await server.api.call(pinAgentCertificate, input)
}

interface Sent {
  readonly by?: TestCertificate
  readonly method?: 'GET' | 'POST'
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly tls?: ConnectionOptions
}

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly peer: PeerCertificate
}

/** A request on a connection of its own, which may show a certificate. */
async function send(path: string, { by, method = 'POST', body, headers = {}, tls = {} }: Sent = {}): Promise<Answer> {
  const shown = by && { cert: by.pem, key: by.key }
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const type = payload === undefined ? {} : { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const options = {
      method,
      agent: false,
      ca: authority.pem,
      ...shown,
      ...tls,
      headers: { ...type, ...headers },
    } as const
    const sent = request(`https://localhost:${port}${path}`, options, (response) => {
      const { socket, statusCode = 0 } = response
      const peer = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        if (!peer) return reject(new Error('no TLS'))
        resolve({ status: statusCode, body: JSON.parse(Buffer.concat(chunks).toString()), peer })
      })
    })
    sent.on('error', reject)
    sent.end(payload)
  })
}

const loginPath = '/api/v1/auth/login'
const validatePath = '/api/v1/auth/validate'
const byCertificate = () => ({ agentId: agent.id, credentials: { type: 'certificate' } })

test('a certificate of the connection logs in, and its token is worth nothing on another', async () => {
  const { body, status } = await send(loginPath, { by: certificate, body: byCertificate() })
  expect(status, JSON.stringify(body)).toBe(200)
  const { accessToken } = Tokens.parse(body)
  const headers = { authorization: `Bearer ${accessToken}` }
  expect((await send(validatePath, { method: 'GET', by: certificate, headers })).status).toBe(200)
  const other = await authority.issue('of the same authority')
  for (const by of [undefined, other]) {
    const stolen = await send(validatePath, { method: 'GET', headers, ...(by && { by }) })
    expect(stolen).toMatchObject({ status: 401, body: { code: 'invalid-token' } })
  }
})

test('a certificate that signs itself counts when it is pinned, and only then', async () => {
  const own = await selfSigned('own')
  const before = await send(loginPath, { by: own, body: byCertificate() })
  expect(before).toMatchObject({ status: 401, body: { code: 'invalid-credentials' } })
  await pin(own)
  expect((await send(loginPath, { by: own, body: byCertificate() })).status).toBe(200)
})

test('nobody logs in with a certificate whose key he has not', async () => {
  const theirs = { ...certificate, key: (await selfSigned('thief')).key }
  await expect(send(loginPath, { by: theirs, body: byCertificate() })).rejects.toThrow(/key values mismatch/)
  // In a header it is a piece of text: no proxy is trusted here.
  const headers = { 'x-client-cert': encodeURIComponent(certificate.pem) }
  const answer = await send(loginPath, { headers, body: byCertificate() })
  expect(answer).toMatchObject({ status: 401, body: { code: 'invalid-credentials' } })
})

test('who shows no certificate is served all the same, and proofs name the https address', async () => {
  const { challenge } = Object((await send(`/api/v1/auth/challenge/${agent.id}`, { method: 'GET', headers: {} })).body)
  expect(challenge).toContain(`https://localhost:${port}`)
  const key = proofKey()
  const htu = `https://localhost:${port}${loginPath}`
  const wrong = await proofOf(server, key, { path: loginPath, claims: { htu: `http://localhost:${port}${loginPath}` } })
  const body = { email: 'admin@example.com', password: 'a long password for tests' }
  expect((await send(loginPath, { body, headers: { dpop: wrong } })).body).toMatchObject({ code: 'invalid-proof' })
  const dpop = await proofOf(server, key, { path: loginPath, claims: { htu } })
  const { accessToken: token } = Tokens.parse((await send(loginPath, { body, headers: { dpop } })).body)
  const about = {
    method: 'GET',
    path: validatePath,
    token,
    claims: { htu: `https://localhost:${port}${validatePath}` },
  }
  const headers = await dpopHeaders(server, key, about)
  expect((await send(validatePath, { method: 'GET', headers })).status).toBe(200)
})

test('nothing older than TLS 1.3 is spoken', async () => {
  await expect(send(validatePath, { tls: { maxVersion: 'TLSv1.2' } })).rejects.toThrow(/alert protocol version/)
})

test('renewed files are used without a restart, and files that do not fit are not', async () => {
  const lines: string[] = []
  const watch = watchTls(
    tlsServer,
    files,
    createLog('debug', (line) => lines.push(line)),
    watchMs,
  )
  const nameOf = async () => (await send('/health/live', { method: 'GET' })).peer.subject.CN
  expect(await nameOf()).toBe('server one')
  // The time of a change is what tells it, and some file systems count it in seconds.
  await sleep(1100)
  const renewed = await authority.issue('server two')
  await writeFile(files.certificate, renewed.pem)
  await until(() => lines.some((line) => line.includes('cannot be used')))
  expect(await nameOf()).toBe('server one')
  await writeFile(files.key, renewed.key)
  await until(async () => (await nameOf()) === 'server two')
  // Certificates of clients are asked for as before.
  expect((await send(loginPath, { by: certificate, body: byCertificate() })).status).toBe(200)
  expect(lines.join('\n')).not.toContain('PRIVATE')
  watch.close()
})

test('files that are missing or do not fit stop the start, by name', async () => {
  await expect(loadTls({ ...files, key: join(folder, 'missing') })).rejects.toThrow(/missing cannot be read/)
  await expect(loadTls({ ...files, key: files.certificate })).rejects.toThrow(/AGENT_IAM_TLS_KEY/)
})

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return
    await sleep(watchMs)
  }
  throw new Error('it never came true')
}
