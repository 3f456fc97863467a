import { createClient } from '@agent-iam/contract/clients'
import type { ClientId } from '@agent-iam/contract/ids'
import * as client from 'openid-client'
import type { TestAgent } from './agents.ts'
import { TestBrowser, type TestPage } from './oauth-browser.ts'
import type { OauthServer } from './oauth-server.ts'
import { email, password } from './test-server.ts'

// oxlint-disable-next-line typescript/no-deprecated -- the test server has no certificate
export const insecure = { execute: [client.allowInsecureRequests] }
export const redirectUri = 'https://app.example/callback'
/** What the applications ask for where it does not matter what. */
export const scope = 'agent-iam/agents*:read'

/** An agent as an OAuth client: it signs assertions with its key. */
export async function asAgent(issuer: string, { id, privateKey }: TestAgent): Promise<client.Configuration> {
  const der = privateKey.export({ format: 'der', type: 'pkcs8' })
  const key = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign'])
  return client.discovery(new URL(issuer), id, undefined, client.PrivateKeyJwt(key), insecure)
}

export interface App {
  readonly config: client.Configuration
  readonly clientId: ClientId
}

/** An application that an administrator registered, confidential unless said otherwise. */
export async function registerApp(
  { server, issuer }: OauthServer,
  token: string,
  settings: Record<string, unknown> = {},
): Promise<App> {
  const body = { name: 'An app', redirectUris: [redirectUri], ...settings }
  const { clientId, clientSecret } = await server.api.call(createClient, { body, token })
  const authentication = clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret)
  const config = await client.discovery(new URL(issuer), clientId, undefined, authentication, insecure)
  return { config, clientId }
}

interface Person {
  readonly email: string
  readonly password: string
}

export const administrator: Person = { email, password }

/** The address of an authorization request, with what its answer is checked by. */
export async function authorizationUrl(
  config: client.Configuration,
  parameters: Record<string, string>,
): Promise<{ url: URL; verifier: string }> {
  const verifier = client.randomPKCECodeVerifier()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...parameters,
  })
  return { url, verifier }
}

export interface Authorized {
  /** Where the client is sent back to. */
  readonly callback: URL
  readonly verifier: string
  readonly browser: TestBrowser
  readonly consent: TestPage
}

/** A person logs in, says yes, and is sent back to the client. */
export async function authorize(
  { issuer }: Pick<OauthServer, 'issuer'>,
  config: client.Configuration,
  parameters: Record<string, string>,
  person = administrator,
): Promise<Authorized> {
  const { url, verifier } = await authorizationUrl(config, parameters)
  const browser = new TestBrowser(issuer)
  const login = await browser.open(url)
  const consent = await browser.send(login, { ...person })
  const { url: callback } = await browser.send(consent, { allow: 'yes' })
  return { callback, verifier, browser, consent }
}

/** The same, and the client redeems its code. */
export async function tokensOf(
  oauth: Pick<OauthServer, 'issuer'>,
  config: client.Configuration,
  parameters: Record<string, string>,
  options: client.DPoPOptions = {},
) {
  const { callback, verifier } = await authorize(oauth, config, parameters)
  return client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier }, undefined, options)
}
