import { Provider } from 'oidc-provider'
import { expect, test } from 'vitest'
import { badKeys, goodP256 } from '../../../../test/keys/bad-keys.ts'
import { gateKeys } from './key-gate.ts'

const published = {
  keys: [...badKeys.map(([, jwk]) => jwk).filter((jwk) => jwk['kty'] !== 'oct' && !hasPrivate(jwk)), goodP256],
}
const client = {
  client_id: 'app',
  redirect_uris: ['https://app.example/callback'],
  token_endpoint_auth_method: 'private_key_jwt',
}

function hasPrivate(jwk: object): boolean {
  return 'd' in jwk || 'p' in jwk
}

function gated(): Provider {
  const provider = new Provider('https://issuer.example', { fetch: () => Promise.resolve(Response.json(published)) })
  gateKeys(provider)
  return provider
}

/** The keys by which the provider would verify this client. */
async function keysOf(provider: Provider, metadata: object): Promise<unknown[]> {
  const made: unknown = Reflect.construct(provider.Client, [{ ...client, ...metadata }])
  const store: unknown = Reflect.get(Object(made), 'asymmetricKeyStore')
  const refresh: unknown = Reflect.get(Object(store), 'refresh')
  if (typeof refresh === 'function') await Reflect.apply(refresh, store, [])
  return Array.from(isIterable(store) ? store : [])
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

test('of the keys that a client publishes, the provider takes those that the gate accepts', async () => {
  expect(await keysOf(gated(), { jwks: published })).toEqual([goodP256])
})

test('so it does of those at its jwks_uri', async () => {
  expect(await keysOf(gated(), { jwks_uri: 'https://app.example/jwks.json' })).toEqual([goodP256])
})
