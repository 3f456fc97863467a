import { X509Certificate } from 'node:crypto'
import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { FastifyServerFactory } from 'fastify'
import { ConfigError } from '../platform/config.ts'
import type { Log } from '../platform/log.ts'

/** Where our certificate lies, its key, and the authorities whose clients are asked for theirs. All are PEM. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  readonly clientAuthorities: string | undefined
}

/** How often the files are looked at: a renewed certificate is in use before anybody would notice. */
const watchIntervalMs = 5000
/** Of a connection that nothing is asked on: longer than the proxies before us keep theirs. */
const keepAliveMs = 72_000

/** Reads the files; throws `ConfigError`, naming what is wrong with them. */
export async function loadTls(files: TlsFiles): Promise<SecureContextOptions> {
  const cert = await read(files.certificate)
  const key = await read(files.key)
  const ca = files.clientAuthorities && (await read(files.clientAuthorities))
  // TLS 1.3 alone: it hides the client's certificate, and has no renegotiation by which one could change.
  const options = { cert, key, ca, minVersion: 'TLSv1.3' as const }
  try {
    createSecureContext(options)
  } catch (cause) {
    throw new ConfigError('AGENT_IAM_TLS_CERT and AGENT_IAM_TLS_KEY are not a certificate and its key in PEM', {
      cause,
    })
  }
  return options
}

interface Slowness {
  readonly requestTimeoutMs: number
  /** How often requests that arrive too slowly are looked for, in milliseconds. */
  readonly connectionsCheckingInterval: number
}

/**
 * Makes the server speak TLS, and ask each client for a certificate. One that no authority of ours signed does not break
 * the connection: it counts where it is pinned, and without any the client may have a token.
 */
export function tlsServerFactory(
  tls: SecureContextOptions,
  { requestTimeoutMs, connectionsCheckingInterval }: Slowness,
): FastifyServerFactory {
  return (handler) => {
    const server = createServer(
      { ...tls, requestCert: true, rejectUnauthorized: false, connectionsCheckingInterval },
      handler,
    )
    server.requestTimeout = requestTimeoutMs
    server.keepAliveTimeout = keepAliveMs
    return server
  }
}

/** Takes up renewed files without a restart. Files that do not fit each other, as while they are written, are left. */
export function watchTls(
  server: Pick<Server, 'setSecureContext'>,
  files: TlsFiles,
  log: Log,
  intervalMs = watchIntervalMs,
): { close(): void } {
  const paths = [files.certificate, files.key, files.clientAuthorities].filter((path) => path !== undefined)
  const reload = () => void reloadTls(server, files, log)
  for (const path of paths) watchFile(path, { interval: intervalMs, persistent: false }, reload)
  return {
    close() {
      for (const path of paths) unwatchFile(path, reload)
    },
  }
}

async function reloadTls(server: Pick<Server, 'setSecureContext'>, files: TlsFiles, log: Log): Promise<void> {
  try {
    const tls = await loadTls(files)
    server.setSecureContext(tls)
    log.info({ notAfter: notAfterOf(tls) }, 'the TLS certificate was read anew')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    log.warn({ reason: error.message }, 'the TLS files cannot be used; those read before stay')
  }
}

function notAfterOf({ cert }: SecureContextOptions): string | undefined {
  return typeof cert === 'string' ? new X509Certificate(cert).validTo : undefined
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`${path} cannot be read: TLS needs it`, { cause })
  }
}
