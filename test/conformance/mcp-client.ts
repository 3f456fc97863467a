import { createServer, type Server } from 'node:http'
import { createResource } from '@agent-iam/contract/clients'
import { call } from '@agent-iam/sdk'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import {
  createMcpHandler,
  getOAuthProtectedResourceMetadataUrl,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  requireBearerAuth,
} from '@modelcontextprotocol/server'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { z } from 'zod'
import { allowInBrowser } from './browser.ts'
import { freePort, openGround } from './ground.ts'
import { PersonsClient } from './persons-client.ts'

/**
 * The MCP TypeScript SDK's own client, with nothing but the address of an MCP server that trusts us: it discovers who
 * issues tokens, registers itself, sends the person to log in and allow it, and calls a tool with the token.
 */
export async function mcpClient(): Promise<string[]> {
  const ground = await openGround({ AGENT_IAM_DYNAMIC_REGISTRATION: 'on' })
  const port = await freePort()
  const resource = `http://127.0.0.1:${port}/mcp`
  const sample = await startSampleServer(port, { resource, issuer: ground.url })
  try {
    await call(ground.admin, createResource, { body: { resource, name: 'A sample server', scopes: ['tools:call'] } })
    const person = new PersonsClient(`http://127.0.0.1:${await freePort()}/callback`)
    const first = new StreamableHTTPClientTransport(new URL(resource), { authProvider: person })
    await new Client({ name: 'conformance', version: '1' }).connect(first).then(
      () => Promise.reject(new Error('the sample server let in who has no token')),
      (error: unknown) => {
        if (!(error instanceof UnauthorizedError)) throw error
      },
    )
    await first.finishAuth(await person.comeBack((url) => allowInBrowser(url, ground.person)))
    const client = new Client({ name: 'conformance', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider: person }))
    const answer = await client.callTool({ name: 'whoami', arguments: {} })
    await client.close()
    return judge(JSON.stringify(answer.content), person)
  } finally {
    sample.close()
    sample.closeAllConnections()
    await ground.close()
  }
}

function judge(content: string, person: PersonsClient): string[] {
  const clientId = person.clientId ?? 'nobody'
  if (!content.includes(clientId)) throw new Error(`the tool was not called by ${clientId}: ${content}`)
  return [`registered as ${clientId}`, `the tool answered ${content}`]
}

interface Trust {
  readonly resource: string
  readonly issuer: string
}

const Claims = z.object({ client_id: z.string(), scope: z.string(), exp: z.number(), sub: z.string() })

/** An MCP server with one tool, which takes our tokens for itself and nobody else's. */
async function startSampleServer(port: number, { resource, issuer }: Trust): Promise<Server> {
  const metadataUrl = getOAuthProtectedResourceMetadataUrl(new URL(resource))
  const gate = requireBearerAuth({
    verifier: { verifyAccessToken: (token) => verify(token, { resource, issuer }) },
    requiredScopes: ['tools:call'],
    expectedResource: new URL(resource),
    resourceMetadataUrl: metadataUrl,
  })
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'sample', version: '1' })
    server.registerTool('whoami', { inputSchema: z.object({}) }, (_arguments, { http }) => ({
      content: [{ type: 'text', text: `${http?.authInfo?.clientId} with ${http?.authInfo?.scopes.join(' ')}` }],
    }))
    return server
  })
  const node = toNodeHandler({
    async fetch(request, options) {
      const authInfo = await gate(request)
      return authInfo instanceof Response ? authInfo : handler.fetch(request, { ...options, authInfo })
    },
  })
  const metadata = JSON.stringify({ resource, authorization_servers: [issuer], scopes_supported: ['tools:call'] })
  const server = createServer((request, response) => {
    if (request.url === new URL(metadataUrl).pathname)
      response.setHeader('content-type', 'application/json').end(metadata)
    else void node(Object.assign(request, { method: request.method ?? 'GET', url: request.url ?? '/' }), response)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

async function verify(token: string, { resource, issuer }: Trust) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  const { payload } = await jwtVerify(token, keys, { issuer, audience: resource, typ: 'at+jwt' }).catch(() => {
    throw new OAuthError(OAuthErrorCode.InvalidToken, 'not a token for this server')
  })
  const { client_id: clientId, scope, exp: expiresAt } = Claims.parse(payload)
  return { token, clientId, scopes: scope.split(' '), expiresAt, resource: new URL(resource) }
}
