import { createClient } from '@agent-iam/contract/clients'
import { createService, createServiceSecret } from '@agent-iam/contract/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { listen, type OauthServer } from './oauth-server.ts'

/** What a form or a query can carry that a database refuses, or that is longer than anybody means. */
const hostileTexts = ['x%00', '%ED%A0%80', '%1b%5b2J%0d%0a%c2%85', encodeURIComponent('ä'.repeat(2500))]

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ofClient = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'grant_type', 'resource']
const parametersOfGrants: Readonly<Record<string, readonly string[]>> = {
  authorization_code: [...ofClient, 'code', 'redirect_uri', 'code_verifier'],
  client_credentials: ['scope', 'resource'],
  refresh_token: ['refresh_token', 'scope', 'resource'],
  'urn:ietf:params:oauth:grant-type:device_code': ['device_code'],
  [tokenExchange]: ['resource', 'audience', 'scope', 'subject_token', 'subject_token_type', 'requested_token_type'],
}

const ofAuthorization = (
  'client_id redirect_uri scope state nonce resource login_hint acr_values ui_locales prompt response_mode response_type ' +
  'code_challenge code_challenge_method request_uri request claims id_token_hint max_age unknown'
).split(' ')

const parametersOf = {
  authorize: ofAuthorization,
  par: ofAuthorization,
  'device-authorization': ['client_id', 'scope', 'resource', 'unknown'],
  introspect: ['token', 'token_type_hint', 'client_id'],
  revoke: ['token', 'token_type_hint', 'client_id'],
  logout: ['id_token_hint', 'post_logout_redirect_uri', 'state', 'client_id', 'logout_hint', 'ui_locales'],
}

/** Each endpoint, that of tokens once for each grant, with its parameters. */
const cases = [
  ...Object.entries(parametersOf).map(([endpoint, parameters]) => ({ endpoint, grant: '', parameters })),
  ...Object.entries(parametersOfGrants).map(([grant, parameters]) => ({ endpoint: 'token', grant, parameters })),
]

const endpoints = {
  authorize: 'authorization_endpoint',
  par: 'pushed_authorization_request_endpoint',
  token: 'token_endpoint',
  'device-authorization': 'device_authorization_endpoint',
  introspect: 'introspection_endpoint',
  revoke: 'revocation_endpoint',
  logout: 'end_session_endpoint',
} as const

const everyParameterMs = 120_000

describe.each(databases)('hostile text in OAuth parameters on %s', (_name, open) => {
  let oauth: OauthServer
  let metadata: Record<string, unknown>
  let credentials: Record<string, string>
  /** Of an identity: it may exchange tokens. */
  let service: Record<string, string>
  let sent = 0

  beforeAll(async () => {
    oauth = await listen(await open())
    const body = {
      name: 'a client',
      redirectUris: ['https://client.example/callback'],
      grantTypes: ['authorization_code' as const, 'refresh_token' as const],
    }
    const made = await oauth.server.api.call(createClient, { body, token: await oauth.server.admin() })
    credentials = { client_id: made.clientId, client_secret: made.clientSecret ?? '' }
    service = await aService()
    const response = await fetch(`${oauth.issuer}/.well-known/openid-configuration`)
    metadata = Object(await response.json())
  })
  afterAll(() => oauth.server.close())

  test.each(cases)(
    'no parameter of $endpoint $grant makes a fault of ours',
    async ({ endpoint, grant, parameters }) => {
      const faults: string[] = []
      for (const parameter of parameters)
        for (const text of hostileTexts) {
          const status = await send(endpoint, { grant, parameter, text })
          if (status >= 500) faults.push(`${parameter}=${text.slice(0, 20)}: ${status}`)
        }
      expect(faults).toEqual([])
    },
    everyParameterMs,
  )

  async function aService(): Promise<Record<string, string>> {
    const token = await oauth.server.admin()
    const { serviceId } = await oauth.server.api.call(createService, { body: { name: 'a service' }, token })
    const { secret } = await oauth.server.api.call(createServiceSecret, { params: { serviceId }, body: {}, token })
    return { client_id: serviceId, client_secret: secret }
  }

  /** Everybody from an address of its own, so that no limit hides the answer. */
  async function send(
    endpoint: string,
    { grant, parameter, text }: { grant: string; parameter: string; text: string },
  ): Promise<number> {
    const form = new URLSearchParams(formOf(endpoint, grant))
    form.delete(parameter)
    const body = `${form.toString()}&${parameter}=${text}`
    const known: Record<string, string> = endpoints
    const url = String(metadata[known[endpoint] ?? ''])
    const headers = {
      'x-forwarded-for': `10.${(++sent >> 16) & 255}.${(sent >> 8) & 255}.${sent & 255}`,
      'user-agent': 'hostile \u00ff\u0085',
    }
    const isQuery = endpoint === 'authorize' || endpoint === 'logout'
    const response = await (isQuery
      ? fetch(`${url}?${body}`, { headers, redirect: 'manual' })
      : fetch(url, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
          body,
        }))
    await response.arrayBuffer()
    return response.status
  }

  function formOf(endpoint: string, grant: string): Record<string, string> {
    const redirect = { redirect_uri: 'https://client.example/callback' }
    const challenge = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' }
    const authorization = { ...redirect, ...challenge, response_type: 'code', scope: 'openid' }
    if (endpoint === 'authorize') return { client_id: credentials['client_id'] ?? '', ...authorization }
    if (endpoint === 'par') return { ...credentials, ...authorization }
    const asService = ['client_credentials', tokenExchange].includes(grant)
    if (endpoint === 'token') return { ...(asService ? service : credentials), grant_type: grant, ...ofGrant[grant] }
    if (endpoint === 'introspect' || endpoint === 'revoke') return { ...credentials, token: 'unknown' }
    return endpoint === 'logout' ? {} : { ...credentials }
  }
})

const ofGrant: Readonly<Record<string, Record<string, string>>> = {
  authorization_code: {
    code: 'unknown',
    redirect_uri: 'https://client.example/callback',
    code_verifier: 'x'.repeat(43),
  },
  refresh_token: { refresh_token: 'unknown' },
  'urn:ietf:params:oauth:grant-type:device_code': { device_code: 'unknown' },
  [tokenExchange]: {
    subject_token: 'unknown',
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  },
}
