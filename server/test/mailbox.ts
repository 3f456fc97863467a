import assert from 'node:assert/strict'
import { listMessages } from '@agent-iam/contract/mail'
import type { TestServer } from './test-server.ts'

/** The messages that wait for somebody, the newest first, as an administrator reads them. */
export async function messagesTo(server: TestServer, to: string, token: string) {
  await server.app.deliverMail()
  const { messages } = await server.api.call(listMessages, { query: { limit: 200 }, token })
  return messages.filter(({ recipient }) => recipient === to)
}

/** The secret of the newest link to somebody. */
export async function mailedToken(server: TestServer, to: string, token: string): Promise<string> {
  const [newest] = await messagesTo(server, to, token)
  return tokenIn(newest?.text)
}

export function tokenIn(text: string | null | undefined): string {
  const token = /#token=(\S+)/.exec(text ?? '')?.[1]
  assert(token, `there is no link in: ${text}`)
  return token
}
