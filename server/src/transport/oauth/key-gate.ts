import { errors, type Provider } from 'oidc-provider'
import { refusalOf } from '../../platform/public-keys.ts'
import { refusalOfProof } from '../dpop.ts'

/**
 * Puts the gate of every public key before the provider, which imports what it is given: the keys of clients, whether
 * stored with the client, in its metadata document or at its `jwks_uri`, and the keys of DPoP proofs.
 */
export function gateKeys(provider: Provider): void {
  gateClientKeys(provider)
  gateProofs(provider)
}

/** A client may publish keys of other kinds and for other uses; those that the gate refuses verify nothing. */
function gateClientKeys(provider: Provider): void {
  const prototype = keyStorePrototype(provider)
  const add: unknown = Reflect.get(prototype, 'add')
  if (typeof add !== 'function') throw new Error('the provider names the keys of its clients in another way')
  Reflect.set(prototype, 'add', function addAccepted(this: object, key: object): void {
    if (refusalOf({ ...key }) === undefined) Reflect.apply(add, this, [key])
  })
}

/** The library exports no name for the class of key stores; each client has one, and all of a provider share the class. */
function keyStorePrototype({ Client }: Provider): object {
  const client: unknown = Reflect.construct(Client, [
    {
      client_id: 'key-gate',
      redirect_uris: [],
      response_types: [],
      grant_types: [],
      token_endpoint_auth_method: 'none',
    },
  ])
  const keyStore: unknown = Reflect.get(Object(client), 'asymmetricKeyStore')
  if (typeof keyStore !== 'object' || keyStore === null)
    throw new Error('the provider keeps its clients’ keys elsewhere')
  return Object(Object.getPrototypeOf(keyStore))
}

function gateProofs(provider: Provider): void {
  provider.use(async (koa, next) => {
    const proof = koa.get('DPoP')
    const why = proof === '' ? undefined : refusalOfProof(proof)
    if (why === undefined) return next()
    const error = new errors.InvalidDpopProof(`the DPoP proof is refused: ${why}`)
    provider.emit('grant.error', koa, error)
    koa.status = error.status
    koa.body = { error: error.error, error_description: error.error_description }
  })
}
