import { ed25519 } from '@noble/curves/ed25519.js'
import { fromBase64url, toBase64url } from '../base64url.ts'
import { toHex } from '../hex.ts'
import { BiscuitError } from './errors.ts'
import { fieldsOf, lengthField, varintField, type Field } from './protobuf.ts'

/**
 * The blocks of a token in a form that nobody can present: the token without its proof, which is the secret that holds it
 * and that further blocks are signed with. No token begins so, and the colon cannot stand in a bearer token (RFC 6750).
 */
export const blocksPrefix = 'biscuit-blocks:'

/** The message `Biscuit` of the format, version 3. */
const rootKeyIdField = 1
const authorityField = 2
const blockField = 3
const proofField = 4

/** Takes the proof off a token. Blocks stay as they are. */
export function blocksOf(token: string): string {
  if (token.startsWith(blocksPrefix)) return token
  const fields = fieldsOf(fromBase64url(token.replace(/={0,2}$/, '')))
  const kept = fields.filter(({ number }) => number < proofField)
  return blocksPrefix + toBase64url(join(kept.map(({ whole }) => whole)))
}

/** A token that says what blocks say, signed by a key that nobody trusts: for an authorizer, which reads only tokens. */
export interface EvaluableBlocks {
  readonly token: string
  /** 32 bytes in hex: the public half of the key that everybody knows. */
  readonly publicKey: string
  /** Of the token that the blocks were taken from, in hex. */
  readonly revocationIds: readonly string[]
}

/**
 * Signs blocks anew, each by the same key, which is written here: what it signs proves nothing, and is accepted by no
 * issuer. Throws `malformed` for what `blocksOf` did not write.
 */
export function evaluable(blocks: string): EvaluableBlocks {
  try {
    const fields = fieldsOf(fromBase64url(blocks.slice(blocksPrefix.length)))
    const signed = fields.filter(({ number }) => number === authorityField || number === blockField).map(readBlock)
    if (signed.length === 0 || !blocks.startsWith(blocksPrefix))
      throw new BiscuitError('malformed', 'these are no blocks')
    const rootKeyId = fields.filter(({ number }) => number === rootKeyIdField).map(({ whole }) => whole)
    const written = join([...rootKeyId, ...signAll(signed), lengthField(proofField, lengthField(1, knownSecret))])
    return {
      token: toBase64url(written),
      publicKey: toHex(knownKey),
      revocationIds: signed.map(({ signature }) => toHex(signature)),
    }
  } catch (cause) {
    if (cause instanceof BiscuitError) throw cause
    throw new BiscuitError('malformed', 'the blocks cannot be read', { cause })
  }
}

/** Known to everybody who reads this. */
const knownSecret = Uint8Array.from({ length: 32 }, (_, place) => place)
const knownKey = ed25519.getPublicKey(knownSecret)

interface Block {
  readonly content: Uint8Array
  readonly signature: Uint8Array
}

/** The message `SignedBlock`: its content is field 1, its signature field 3. */
function readBlock({ content }: Field): Block {
  const fields = fieldsOf(content)
  const of = (number: number) => fields.find((field) => field.number === number)?.content
  const [block, signature] = [of(1), of(3)]
  if (!block || !signature) throw new BiscuitError('malformed', 'a block has no content or no signature')
  return { content: block, signature }
}

function signAll(blocks: readonly Block[]): Uint8Array[] {
  const nextKey = join([varintField(1, 0), lengthField(2, knownKey)])
  return blocks.map(({ content }, place) => {
    const signature = ed25519.sign(join([content, algorithm, knownKey]), knownSecret)
    const block = join([lengthField(1, content), lengthField(2, nextKey), lengthField(3, signature)])
    return lengthField(place === 0 ? authorityField : blockField, block)
  })
}

/** Ed25519 as 32 bits, the least significant first: signatures of version 0 cover content, algorithm and next key. */
const algorithm = new Uint8Array(4)

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
