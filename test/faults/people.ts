import { createPrivateKey, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { AgentId } from '@agent-iam/contract/ids'
import { type Client, connect } from '@agent-iam/sdk'
import type { Ground } from './ground.ts'

const email = 'admin@example.com'
const password = 'a long password for tests'

/** Finishes the setup link as a person would. */
export async function finishSetup({ url, setupLinkFile }: Ground): Promise<void> {
  const link = await readFile(setupLinkFile, 'utf8')
  const token = new URLSearchParams(new URL(link.trim()).hash.slice(1)).get('token') ?? ''
  await connect({ server: url }).setup.complete({ body: { token, email, password } })
}

export interface Administrator {
  readonly client: Client
  readonly token: string
}

export async function logInAdministrator(url: string): Promise<Administrator> {
  const { accessToken: token } = await connect({ server: url }).auth.login({ body: { email, password } })
  return { client: connect({ server: url, token }), token }
}

/** An agent with its key. */
export interface TestAgent {
  readonly id: AgentId
  /** Logs in with the key and gives an access token. */
  logIn(url: string): Promise<string>
}

/** What every agent here may do; all else is denied. */
export const allowedPrefix = 'file/docs/'

export async function registerAgent(
  { client }: Administrator,
  name: string,
  capabilities = [`${allowedPrefix}*:read`],
): Promise<TestAgent> {
  const { agentId, privateKey = '' } = await client.agents.register({ body: { name, capabilities } })
  const key = createPrivateKey(privateKey)
  return {
    id: agentId,
    async logIn(url) {
      const { auth } = connect({ server: url })
      const { challenge } = await auth.challenge({ params: { agentId } })
      const signature = sign(null, Buffer.from(challenge), key).toString('base64url')
      const credentials = { type: 'signature', challenge, signature } as const
      return (await auth.login({ body: { agentId, credentials } })).accessToken
    },
  }
}
