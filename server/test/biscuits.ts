import * as contract from '@agent-iam/contract/biscuits'
import { attenuate, type Restriction } from '@agent-iam/standards/biscuit/attenuate'
import { open } from '@agent-iam/standards/biscuit/token'
import { biscuitLibrary } from '../src/features/biscuits/library.ts'
import { assignRole } from '../src/features/capabilities/service.ts'
import { inTransaction } from '../src/platform/context.ts'
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

/** A token of an agent that may do everything, narrowed by a block that takes nothing away. */
export async function attenuatedOfAdmin(server: TestServer, admin: string): Promise<string> {
  const agent = await makeAgent(server, admin)
  const { id: tenantId } = server.defaultTenant
  await inTransaction(server.inTenant(tenantId), (tx) => assignRole(tx, agent.id, 'admin'))
  const { accessToken } = await loginAgent(server, agent)
  return append(server, (await mintFor(server, accessToken)).token, 'check if true;')
}

/** A block of whatever words, as somebody would append it who writes Datalog by hand. */
export async function append(server: TestServer, token: string, words: string): Promise<string> {
  const { keys } = await server.api.call(contract.biscuitKeys)
  const publicKeyOf = (id: number) => keys.find(({ rootKeyId }) => rootKeyId === id)?.publicKey
  return (await biscuitLibrary()).use((bindings, keep) => {
    const { biscuit } = open(bindings, keep, token, publicKeyOf)
    const block = keep(bindings.Biscuit.block_builder())
    block.addCodeWithParameters(words, {}, {})
    return keep(biscuit.appendBlock(block)).toBase64()
  })
}

/** Words that take the library far longer than anybody waits, in a single round that no limit interrupts. */
export const bomb = `${Array.from({ length: 40 }, (_, n) => `n(${n});`).join('')}
  m(1) <- n($a), n($b), n($c), n($d), n($e), $a + $b + $c + $d + $e == 1000;`
