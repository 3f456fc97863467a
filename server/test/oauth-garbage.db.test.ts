import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultSettings } from '../src/platform/settings.ts'
import { databases } from './databases.ts'
import { listen, type OauthServer } from './oauth-server.ts'

const paths = [
  '/oauth/authorize',
  '/oauth/device',
  '/oauth/device/of-nobody',
  '/oauth/authorize/of-nobody',
  '/oauth/device_authorization',
  '/oauth/logout',
  '/oauth/logout/confirm',
  '/oauth/introspect',
  '/oauth/par',
  '/oauth/register',
  '/oauth/revoke',
  '/oauth/token',
  '/oauth/userinfo',
  '/oauth/interaction/of-nobody',
  '/oauth/login',
  '/oauth/nothing',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource',
]

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']
const form = 'application/x-www-form-urlencoded'
const fields = [
  'client_id',
  'xsrf',
  'user_code',
  'grant_type',
  'code',
  'token',
  'request',
  'redirect_uri',
  'state',
  'resource',
]
const nonsense = [
  '',
  '\u0000',
  '%00',
  '%ff%fe',
  '\ud800',
  '[object Object]',
  'a'.repeat(3000),
  'https://nowhere.example/x',
]

/** What is sent: a content type and a text. */
const bodies: ReadonlyArray<readonly [string | undefined, string | undefined]> = [
  [undefined, undefined],
  [form, ''],
  [form, 'xsrf=a&user_code=BBBB-BBBB'],
  [form, 'xsrf=a&xsrf=b&user_code[]=c&__proto__=d&constructor=e'],
  ...nonsense.map((text) => [form, fields.map((field) => `${field}=${text}`).join('&')] as const),
  [form, 'a=b'.repeat(30_000)],
  ['application/json', '{'],
  ['application/json', '{"redirect_uris":{"length":-1},"jwks":{"keys":[{"kty":"RSA","n":"","e":7}]}}'],
  ['application/json', 'null'],
  ['application/x-www-form-urlencoded; charset=nonsense', 'a=b'],
  ['multipart/form-data; boundary=x', '--x'],
  ['text/plain', 'words'],
  ['no type', 'words'],
]

const headers: ReadonlyArray<Record<string, string>> = [
  { accept: 'text/html' },
  { accept: 'application/json', authorization: 'Basic !!!', dpop: 'not.a.proof' },
  { accept: 'nonsense', authorization: 'Bearer \u00e9', cookie: '_session=a; _session.sig=b; _interaction=c' },
]

describe.each(databases)('the OAuth endpoints on %s, asked by strangers', (_name, open) => {
  let oauth: OauthServer
  const lines: string[] = []

  beforeAll(async () => {
    oauth = await listen(await open(), {
      onLog: (line) => lines.push(line),
      replace: (world) => ({ ...world, settings: { ...defaultSettings, dynamicRegistration: true } }),
    })
  })
  afterAll(() => oauth.server.close())

  test.each(paths)('%s answers no nonsense with a 5xx', async (path) => {
    const faults: unknown[] = []
    for (const method of methods)
      for (const [type, payload] of bodies)
        for (const sent of headers) {
          const query = method === 'GET' ? `?${(payload ?? '').slice(0, 4000).replaceAll(/[^\w%=&[\]/:.-]/g, '')}` : ''
          const hasBody = payload !== undefined && method !== 'GET'
          const status = await ask(
            path + query,
            method,
            { ...sent, ...(hasBody && type !== undefined && { 'content-type': type }) },
            hasBody ? payload : undefined,
          )
          if (status >= 500) faults.push([status, method, type, payload?.slice(0, 60), sent['accept']])
        }
    expect(faults).toEqual([])
  })

  test('no fault was logged, and none without its words', () => {
    expect(lines.filter((line) => line.includes('an OAuth request failed'))).toEqual([])
  })

  async function ask(
    path: string,
    method: string,
    sent: Record<string, string>,
    body: string | undefined,
  ): Promise<number> {
    const response = await fetch(oauth.issuer + path, {
      method,
      headers: sent,
      redirect: 'manual',
      ...(body !== undefined && { body }),
    })
    await response.arrayBuffer()
    return response.status
  }
})
