import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { SigningKeyType } from '@agent-iam/contract/signing-keys'
import type { Context } from '../../platform/context.ts'
import { algorithmOf, type KeyWish, type SigningKey } from './model.ts'
import { keyPlace } from './store.ts'

const generate = promisify(generateKeyPair)

/** Makes keys, sealed and in no set yet. It takes long, off the main thread: not inside a transaction. */
export async function makeKeys(ctx: Context, wishes: readonly KeyWish[]): Promise<SigningKey[]> {
  return Promise.all(wishes.map((wish) => makeKey(ctx, wish)))
}

async function makeKey(ctx: Context, { purpose, keyType }: KeyWish): Promise<SigningKey> {
  const { publicKey, privateKey } = await generatePair(keyType)
  const id = ctx.newId('signingKey')
  const algorithm = algorithmOf[keyType]
  return {
    id,
    purpose,
    rootKeyId: undefined,
    algorithm,
    keyType,
    state: 'pending',
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid: id, alg: algorithm, use: 'sig' },
    sealed: ctx.sealer.seal(
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      keyPlace(purpose, ctx.caller.tenantId, id),
    ),
    createdAt: ctx.clock.now(),
    signsFrom: undefined,
    activatedAt: undefined,
    retiresAt: undefined,
    endedAt: undefined,
  }
}

function generatePair(type: SigningKeyType): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  if (type === 'Ed25519') return generate('ed25519', {})
  return generate('rsa', { modulusLength: type === 'RSA-4096' ? 4096 : 2048 })
}
