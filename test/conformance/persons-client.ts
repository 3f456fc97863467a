import { createServer } from 'node:http'
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client'

/** What an MCP client on a person's machine keeps of its authorization: here in memory. */
export class PersonsClient implements OAuthClientProvider {
  readonly redirectUrl: string
  #information: StoredOAuthClientInformation | undefined
  #tokens: StoredOAuthTokens | undefined
  #discovered: OAuthDiscoveryState | undefined
  #verifier = ''
  #state = ''
  #authorizationUrl: URL | undefined

  constructor(redirectUrl: string) {
    this.redirectUrl = redirectUrl
  }

  get clientMetadata(): OAuthClientMetadata {
    return {
      client_name: 'A desktop client',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    }
  }

  get clientId(): string | undefined {
    return this.#information?.client_id
  }

  state(): string {
    this.#state = crypto.randomUUID()
    return this.#state
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.#information
  }

  saveClientInformation(information: StoredOAuthClientInformation): void {
    this.#information = information
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#tokens
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    this.#tokens = tokens
  }

  redirectToAuthorization(url: URL): void {
    this.#authorizationUrl = url
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.#discovered = state
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovered
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier
  }

  codeVerifier(): string {
    return this.#verifier
  }

  /** What the browser brings back to the redirect URL, once the person has allowed it; with the state that was sent. */
  async comeBack(visit: (url: string) => Promise<string>): Promise<URLSearchParams> {
    if (!this.#authorizationUrl) throw new Error('nobody was sent to log in')
    const page = createServer((_request, response) => response.end('You can close this page.'))
    await new Promise<void>((resolve) => page.listen(Number(new URL(this.redirectUrl).port), '127.0.0.1', resolve))
    const answer = new URL(await visit(this.#authorizationUrl.href)).searchParams
    page.close()
    if (answer.get('state') !== this.#state) throw new Error('the state that came back is another')
    return answer
  }
}
