import { createServer } from 'node:http'
import { createClient } from '@agent-iam/contract/clients'
import { call, type Connection } from '@agent-iam/sdk'
import * as client from 'openid-client'
import { insecure } from '../../server/test/oauth-clients.ts'

export interface AuthorizationRequest {
  readonly config: client.Configuration
  readonly url: URL
  readonly verifier: string
}

/** An application on this machine that people let act for them. */
export interface Application {
  /** Registers anew, and says where a person is to go. */
  request(scope: string): Promise<AuthorizationRequest>
  close(): void
}

/** What the browser shows once it is back. */
export const welcome = 'back in the application'

export async function openApplication(admin: Connection): Promise<Application> {
  const page = createServer((_request, response) => response.end(welcome))
  await new Promise<void>((resolve) => void page.listen(0, '127.0.0.1', resolve))
  const address = page.address()
  const redirectUri = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/callback`
  return {
    async request(scope) {
      const body = {
        name: 'The dashboard of the team',
        redirectUris: [redirectUri],
        applicationType: 'native' as const,
        authMethod: 'none' as const,
      }
      const { clientId } = await call(admin, createClient, { body })
      const config = await client.discovery(new URL(admin.server), clientId, undefined, client.None(), insecure)
      const verifier = client.randomPKCECodeVerifier()
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        scope,
      })
      return { config, url, verifier }
    },
    close: () => void page.close(),
  }
}
