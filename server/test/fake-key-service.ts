import { randomBytes, createCipheriv, createDecipheriv } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface FakeKeyService {
  /** For `AGENT_IAM_MASTER_KEY_URL`, as Vault's transit engine and as a plain service. */
  readonly vaultUrl: string
  readonly plainUrl: string
  readonly token: string
  /** What it answers instead, should a test want that. */
  answer: { readonly status: number; readonly body: string } | undefined
  close(): Promise<void>
}

/**
 * Speaks the two calls of Vault's transit engine that we use, and the plain protocol, from their descriptions. A real
 * Vault was never asked.
 */
export async function startFakeKeyService(): Promise<FakeKeyService> {
  const key = randomBytes(32)
  const token = randomBytes(12).toString('hex')
  const server = createServer((request, response) => {
    void respond(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const fake: FakeKeyService = {
    vaultUrl: `vault+http://127.0.0.1:${port}/v1/transit/keys/agent-iam`,
    plainUrl: `http://127.0.0.1:${port}/kms`,
    token,
    answer: undefined,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return fake

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const usual = answerOf(request, await readBody(request))
    const { status, body } = fake.answer ?? usual
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  }

  function answerOf({ url = '', headers }: IncomingMessage, body: Record<string, unknown>) {
    const isVault = url.startsWith('/v1/transit/')
    const shown = isVault ? headers['x-vault-token'] : headers.authorization?.replace('Bearer ', '')
    if (shown !== token) return { status: 403, body: '{"errors":["permission denied"]}' }
    const result = isVault ? transit(url, body) : plain(url, body)
    return result ? { status: 200, body: JSON.stringify(result) } : { status: 400, body: '{"errors":["invalid"]}' }
  }

  function transit(url: string, { plaintext, ciphertext }: Record<string, unknown>) {
    if (url === '/v1/transit/encrypt/agent-iam')
      return { data: { ciphertext: `vault:v1:${encrypt(String(plaintext))}` } }
    const text =
      url === '/v1/transit/decrypt/agent-iam' ? decrypt(String(ciphertext).replace('vault:v1:', '')) : undefined
    return text === undefined ? undefined : { data: { plaintext: text } }
  }

  function plain(url: string, { plaintext, ciphertext }: Record<string, unknown>) {
    if (url === '/kms/encrypt') return { ciphertext: encrypt(String(plaintext)) }
    const text = url === '/kms/decrypt' ? decrypt(String(ciphertext)) : undefined
    return text === undefined ? undefined : { plaintext: text }
  }

  function encrypt(text: string): string {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64')
  }

  function decrypt(text: string): string | undefined {
    const bytes = Buffer.from(text, 'base64')
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(-16))
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString()
    } catch {
      return undefined
    }
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
  return Object.fromEntries(Object.entries(Object(body)))
}
