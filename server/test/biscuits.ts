import * as contract from '@agent-iam/contract/biscuits'
import { attenuate } from '@agent-iam/standards/biscuit/attenuate'
import type { Restriction } from '@agent-iam/standards/biscuit/attenuate'
import { biscuitLibrary } from '../src/features/biscuits/library.ts'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import type { TestServer } from './test-server.ts'

export interface Carrier {
  readonly agent: TestAgent
  /** The access token that the Biscuit was got with. */
  readonly accessToken: string
  readonly biscuit: Awaited<ReturnType<typeof mintFor>>
}

/** An agent with a Biscuit. */
export async function carrier(
  server: TestServer,
  admin: string,
  capabilities: string[] = ['file/docs/*:read'],
  wish: { capabilities?: string[]; expiresInSeconds?: number } = {},
): Promise<Carrier> {
  const agent = await makeAgent(server, admin, capabilities)
  const { accessToken } = await loginAgent(server, agent)
  return { agent, accessToken, biscuit: await mintFor(server, accessToken, wish) }
}

export function mintFor(
  server: TestServer,
  token: string,
  wish: { capabilities?: string[]; expiresInSeconds?: number } = {},
) {
  return server.api.call(contract.mintBiscuit, { body: wish, token })
}

/** What its holder does offline. */
export async function narrow(server: TestServer, token: string, restriction: Restriction): Promise<string> {
  const { keys } = await server.api.call(contract.biscuitKeys)
  const publicKeyOf = (id: number) => keys.find(({ rootKeyId }) => rootKeyId === id)?.publicKey
  return attenuate(await biscuitLibrary(), token, publicKeyOf, restriction)
}
