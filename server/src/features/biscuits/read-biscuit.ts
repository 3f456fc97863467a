import { biscuitCharactersMax, biscuitFaults } from '@agent-iam/contract/biscuits'
import { blocksPrefix, evaluable } from '@agent-iam/standards/biscuit/blocks'
import { BiscuitError } from '@agent-iam/standards/biscuit/errors'
import { verify } from '@agent-iam/standards/biscuit/verify'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import type { RootKey, VerifyingRootKey } from '../../platform/keys.ts'
import { findRootPublicKey } from '../keys/service.ts'
import { biscuitLibrary } from './library.ts'
import type { BiscuitFault } from './model.ts'
import { VerifiedBiscuits, type KnownBiscuit } from './verified-biscuits.ts'

/** A Biscuit whose signatures are good, with the root key that they go back to. */
export interface ReadBiscuit extends KnownBiscuit {
  readonly rootKey: VerifyingRootKey
}

const verified = new VerifiedBiscuits()
/** Apart, so that nobody can present what was kept. */
const keptBlocks = new VerifiedBiscuits()

/**
 * Reads a Biscuit and verifies its signatures up to a root key of this installation, or tells what is wrong with it. It
 * evaluates nothing, and says nothing about revocation. NOTE: not inside a transaction.
 */
export async function readBiscuit(ctx: Context, token: string): Promise<ReadBiscuit | BiscuitFault> {
  if (token.length > biscuitCharactersMax) return 'too-large'
  try {
    const known = verified.find(token)
    const rootKeyId = known?.rootKeyId ?? (await rootKeyIdOf(token))
    const rootKey = await ctx.keys.findRootKey(rootKeyId, ctx.clock.now())
    if (!rootKey) return 'unknown-issuer'
    return { ...(known ?? (await verifyOnce(token, rootKey))), rootKey }
  } catch (error) {
    if (error instanceof BiscuitError) return faultOf(error)
    throw error
  }
}

/**
 * Reads a Biscuit of the caller's tenant that was accepted before, even if its root key has ended since, or the blocks
 * that were kept of one; undefined when it is none. It may run inside a transaction, which it joins.
 */
export async function readAccepted(ctx: Context | Transaction, token: string): Promise<KnownBiscuit | undefined> {
  try {
    const known = token.startsWith(blocksPrefix) ? await readBlocks(token) : verified.find(token)
    if (known) return known.facts.tenant === ctx.caller.tenantId ? known : undefined
    const rootKeyId = await rootKeyIdOf(token)
    const publicKey = await inTransaction(ctx, (tx) => findRootPublicKey(tx, rootKeyId))
    return publicKey === undefined ? undefined : await verifyOnce(token, { rootKeyId, publicKey })
  } catch (error) {
    if (error instanceof BiscuitError) return undefined
    throw error
  }
}

/** What was kept of a token: its signatures were verified before, and cannot be any more. */
async function readBlocks(blocks: string): Promise<KnownBiscuit> {
  const known = keptBlocks.find(blocks)
  if (known) return known
  const { token, publicKey, revocationIds } = evaluable(blocks)
  const found = verify(await biscuitLibrary(), token, () => publicKey)
  const read = { ...found, publicKey, revocationIds, evaluable: token }
  keptBlocks.keep(blocks, read)
  return read
}

async function verifyOnce(token: string, { rootKeyId, publicKey }: RootKey): Promise<KnownBiscuit> {
  const found = verify(await biscuitLibrary(), token, (id) => (id === rootKeyId ? publicKey : undefined))
  const known = { ...found, publicKey }
  verified.keep(token, known)
  return known
}

/** The number that a token names its root key by. Nothing is verified: it only says which key to verify with. */
async function rootKeyIdOf(token: string): Promise<number> {
  const library = await biscuitLibrary()
  let named: number | undefined
  try {
    verify(library, token, (id) => {
      named = id
      return undefined
    })
  } catch (error) {
    if (named === undefined) throw error
  }
  if (named === undefined) throw new BiscuitError('unknown-root-key', 'the token names no root key')
  return named
}

function faultOf({ code }: BiscuitError): BiscuitFault {
  if (code === 'unknown-root-key') return 'unknown-issuer'
  return biscuitFaults.find((each) => each === code) ?? 'malformed'
}
