import { freePort } from './free-port.ts'
import type { TestDatabase } from './databases.ts'
import { openServer, type ServerOptions, type TestServer } from './test-server.ts'

export interface OauthServer {
  readonly server: TestServer
  /** The issuer of the default tenant. */
  readonly issuer: string
}

/** A server that listens, for clients that come through a socket. */
export async function listen(database: TestDatabase, options: ServerOptions = {}): Promise<OauthServer> {
  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const server = await openServer(database, { trustedProxies: ['127.0.0.0/8', '::1'], ...options, address: issuer })
  await server.app.http.listen({ port, host: 'localhost' })
  return { server, issuer }
}

/** Another instance of the same installation: same keys, same database, same address to the world. */
export async function listenBeside({ server }: OauthServer): Promise<OauthServer> {
  const second = await server.beside()
  const port = await freePort()
  await second.app.http.listen({ port, host: 'localhost' })
  return { server: second, issuer: `http://localhost:${port}` }
}
