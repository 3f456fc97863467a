import { validate } from '@agent-iam/contract/auth'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { TestBrowser } from './oauth-browser.ts'
import { administrator, registerApp, scope } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'

describe.each(databases)('devices at the OAuth provider on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string

  beforeAll(async () => {
    oauth = await listen(await open())
    admin = await oauth.server.admin()
  })
  afterAll(() => oauth.server.close())

  test('lets a device in that a person confirms, and not before', async () => {
    const grantTypes = ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token']
    const settings = { grantTypes, redirectUris: [], authMethod: 'none', applicationType: 'native' }
    const { config } = await registerApp(oauth, admin, settings)
    const started = await client.initiateDeviceAuthorization(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const input = await browser.open(started.verification_uri)
    const wrong = await browser.send(input, { user_code: 'ABCD-EFGH' })
    expect(wrong.html).toContain('not a code that is waiting')
    const confirm = await browser.send(wrong, { user_code: started.user_code })
    expect(confirm.html).toContain(started.user_code)
    const login = await browser.send(confirm, { confirm: 'yes' })
    const consent = await browser.send(login, { ...administrator })
    const done = await browser.send(consent, { allow: 'yes' })
    expect(done.html).toContain('Device connected')
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...started, interval: 1 })
    expect(await oauth.server.api.call(validate, { token: tokens.access_token })).toMatchObject({
      userId: expect.any(String),
    })
  })

  test('lets nobody try one code of a device after another', async () => {
    const browser = new TestBrowser(oauth.issuer)
    let page = await browser.open('/oauth/device')
    const statuses = []
    for (let tries = 1; tries <= 11; tries++) {
      page = await browser.send(page, { user_code: `ABCD-EFG${'BCDFGHJKLMN'.charAt(tries - 1)}` })
      statuses.push(page.status)
    }
    expect(statuses.slice(-2)).toEqual([200, 400])
  })
})
