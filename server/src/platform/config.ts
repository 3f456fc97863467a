import { readFileSync } from 'node:fs'
import { isIP, isIPv4 } from 'node:net'
import { resolve } from 'node:path'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { logLevels, type LogLevel } from './log.ts'
import { defaultSettings, type Settings as OperatorSettings } from './settings.ts'

const port = z.coerce.number().int().min(0).max(65_535)
/** Each request of a minute is kept with its time: more than this of one sender is better not counted at all. */
const perMinute = z.coerce.number().int().min(0).max(1_000_000)
const databaseUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'is not a postgres:// URL' })

const proxies = z
  .string()
  .transform((list) =>
    list
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  )
  .refine((list) => list.every(isAddressOrBlock), 'is not a list of addresses and CIDR blocks, with commas between')

/** A block of everything would believe anybody, so it is none. */
function isAddressOrBlock(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%') || rest.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

const keyServiceUrlRule = 'is not an https:// or vault+https:// URL (http:// on this machine only)'

/** The key itself comes back from there: in the clear it may only come from this machine. */
function isKeyServiceUrl(text: string): boolean {
  return isConfidentialUrl(text.replace(/^vault\+/, ''))
}

function isConfidentialUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

/** What settings ask of each other is asked also where one is at fault by itself, so that all faults are named at once. */
const alsoWithFaults = {
  when: ({ value }: { value: unknown }) => typeof Reflect.get(Object(value), 'AGENT_IAM_HOST') === 'string',
}

const Settings = z
  .object({
    AGENT_IAM_PORT: port.default(9000),
    AGENT_IAM_HOST: z.string().min(1).default('127.0.0.1'),
    AGENT_IAM_PUBLIC_URL: z
      .url({ protocol: /^https?$/ })
      .transform((url) => url.replace(/\/+$/, ''))
      .optional(),
    AGENT_IAM_DATA: z.string().min(1).default('./data'),
    AGENT_IAM_MASTER_KEY: z.string().optional(),
    AGENT_IAM_MASTER_KEY_FILE: z.string().optional(),
    AGENT_IAM_MASTER_KEY_PREVIOUS: z
      .string()
      .transform((list) => list.split(',').map((each) => each.trim()))
      .default([]),
    AGENT_IAM_MASTER_KEY_URL: z.string().refine(isKeyServiceUrl, keyServiceUrlRule).optional(),
    AGENT_IAM_MASTER_KEY_TOKEN: z.string().optional(),
    AGENT_IAM_MASTER_KEY_TOKEN_FILE: z.string().optional(),
    AGENT_IAM_CREDENTIALS: z.string().optional(),
    AGENT_IAM_LOG_LEVEL: z.enum(logLevels).default('info'),
    AGENT_IAM_METRICS_TOKEN: z.string().min(16, 'needs at least 16 characters').optional(),
    AGENT_IAM_TRUSTED_PROXIES: proxies.default([]),
    AGENT_IAM_OUTBOUND_NETWORKS: proxies.default([]),
    AGENT_IAM_TLS_CERT: z.string().optional(),
    AGENT_IAM_TLS_KEY: z.string().optional(),
    AGENT_IAM_TLS_CLIENT_CA: z.string().optional(),
    AGENT_IAM_CLIENT_CERT_HEADER: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/, 'is no name of a header')
      .optional(),
    AGENT_IAM_DPOP_NONCE: z.enum(['required', 'optional']).default('optional'),
    AGENT_IAM_DYNAMIC_REGISTRATION: z.enum(['on', 'off']).default('off'),
    AGENT_IAM_SESSIONS_PER_AGENT: z.coerce.number().int().min(1).max(1000).default(defaultSettings.sessionsPerAgent),
    AGENT_IAM_REQUESTS_PER_AGENT: perMinute.default(defaultSettings.requestsPerAgent),
    AGENT_IAM_ANONYMOUS_ROWS_PER_ADDRESS: z.coerce
      .number()
      .int()
      .min(20)
      .max(1_000_000)
      .default(defaultSettings.anonymousRowsPerAddress),
    AGENT_IAM_ANONYMOUS_ROWS_PER_TENANT: z.coerce
      .number()
      .int()
      .min(100)
      .max(10_000_000)
      .default(defaultSettings.anonymousRowsPerTenant),
    AGENT_IAM_LOGINS_PER_ACCOUNT: z.coerce
      .number()
      .int()
      .min(10)
      .max(1_000_000)
      .default(defaultSettings.loginsPerAccount),
    AGENT_IAM_REQUESTS_PER_USER: perMinute.default(defaultSettings.requestsPerUser),
    AGENT_IAM_REQUESTS_PER_SERVICE: perMinute.default(defaultSettings.requestsPerService),
    AGENT_IAM_REQUESTS_PER_API_KEY: perMinute.default(defaultSettings.requestsPerApiKey),
    AGENT_IAM_REQUESTS_PER_ENROLMENT_TOKEN: perMinute.default(defaultSettings.requestsPerEnrolmentToken),
    AGENT_IAM_LOG_BYTES_PER_REQUEST: z.coerce
      .number()
      .int()
      .min(0)
      .max(1_048_576)
      .default(defaultSettings.logBytesPerRequest),
    AGENT_IAM_VERDICTS_KEPT: z.coerce.number().int().min(0).max(1_000_000).default(defaultSettings.verdictsKept),
    AGENT_IAM_LEAKED_PASSWORDS_URL: z
      .string()
      .refine(isConfidentialUrl, 'is not an https:// URL (http:// on this machine only)')
      .transform((url) => url.replace(/\/+$/, ''))
      .optional(),
    AGENT_IAM_REQUESTS_PER_ADDRESS: perMinute.default(defaultSettings.requestsPerAddress),
    AGENT_IAM_SMTP_URL: z.url({ protocol: /^smtps?$/, error: 'is not an smtp:// or smtps:// URL' }).optional(),
    AGENT_IAM_MAIL_FROM: z.email({ error: 'is not one plain e-mail address' }).optional(),
    AGENT_IAM_DATABASE_POOL: z.coerce.number().int().min(2).max(200).default(20),
    DATABASE_URL: databaseUrl.optional(),
    REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'is not a redis:// URL' }).optional(),
    XDG_CONFIG_HOME: z.string().optional(),
    HOME: z.string().optional(),
  })
  .superRefine((settings, refinement) => {
    const complain = (field: string, message: string) => refinement.addIssue({ code: 'custom', path: [field], message })
    if (settings.DATABASE_URL && !settings.AGENT_IAM_PUBLIC_URL)
      complain('AGENT_IAM_PUBLIC_URL', 'is required with DATABASE_URL: it is the issuer of every token')
    if (settings.DATABASE_URL && !settings.AGENT_IAM_MASTER_KEY && !settings.AGENT_IAM_MASTER_KEY_FILE)
      complain(
        'AGENT_IAM_MASTER_KEY',
        'or AGENT_IAM_MASTER_KEY_FILE is required with DATABASE_URL (32 bytes, base64url)',
      )
    if ((settings.AGENT_IAM_SMTP_URL === undefined) !== (settings.AGENT_IAM_MAIL_FROM === undefined))
      complain(
        'AGENT_IAM_MAIL_FROM',
        'and AGENT_IAM_SMTP_URL go together: one says who writes, the other how it leaves',
      )
    const isPublic = settings.AGENT_IAM_TLS_CERT ?? String(settings.AGENT_IAM_PUBLIC_URL).startsWith('https:')
    if (!isLoopback(settings.AGENT_IAM_HOST) && !isPublic)
      complain(
        'AGENT_IAM_HOST',
        'is not a loopback address: set AGENT_IAM_TLS_CERT, or an https AGENT_IAM_PUBLIC_URL (TLS ends at a proxy)',
      )
  }, alsoWithFaults)
  .superRefine((settings, refinement) => {
    const complain = (field: string, message: string) => refinement.addIssue({ code: 'custom', path: [field], message })
    const { AGENT_IAM_TLS_CERT: cert, AGENT_IAM_TLS_KEY: key, AGENT_IAM_PUBLIC_URL: url = 'https:' } = settings
    if ((cert === undefined) !== (key === undefined))
      complain('AGENT_IAM_TLS_KEY', 'and AGENT_IAM_TLS_CERT go together: a certificate and its private key')
    if (settings.AGENT_IAM_TLS_CLIENT_CA && !cert)
      complain('AGENT_IAM_TLS_CLIENT_CA', 'needs AGENT_IAM_TLS_CERT: only who speaks TLS asks for certificates')
    if (cert && !url.startsWith('https:'))
      complain('AGENT_IAM_PUBLIC_URL', 'must be https: with AGENT_IAM_TLS_CERT the server speaks nothing else')
    if (settings.AGENT_IAM_CLIENT_CERT_HEADER && settings.AGENT_IAM_TRUSTED_PROXIES.length === 0)
      complain('AGENT_IAM_CLIENT_CERT_HEADER', 'needs AGENT_IAM_TRUSTED_PROXIES: it is believed of them alone')
  }, alsoWithFaults)

export interface Config {
  readonly port: number
  readonly host: string
  /** Undefined until the port is known: `http://localhost:‹port›`, or https with TLS. */
  readonly publicUrl: string | undefined
  readonly dataFolder: string
  /** Absolute path of the file where CLI and SDK of this machine find the enrolment token. */
  readonly credentialsFile: string
  readonly masterKey: string | undefined
  readonly masterKeyFile: string | undefined
  /** What was sealed with these still opens, and is sealed anew. */
  readonly masterKeyOthers: readonly string[]
  /** Who unwraps the master keys; undefined: they are given as they are. */
  readonly keyService: { readonly url: string; readonly token?: string; readonly tokenFile?: string } | undefined
  readonly databaseUrl: string | undefined
  readonly databasePoolMax: number
  readonly redisUrl: string | undefined
  /** Where mail leaves us, and whom it is from; undefined: it stays in the outbox. */
  readonly mail: { readonly url: string; readonly from: string } | undefined
  readonly logLevel: LogLevel
  readonly settings: OperatorSettings
  readonly metricsToken: string | undefined
  /** Addresses and CIDR blocks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  /** With them the server itself speaks TLS: paths of PEM files. */
  readonly tls:
    | { readonly certificate: string; readonly key: string; readonly clientAuthorities: string | undefined }
    | undefined
  /** The header in which a trusted proxy tells the certificate of its client. */
  readonly clientCertificateHeader: string | undefined
  /** Whether DPoP proofs must hold a nonce of ours, or are asked for one only when their time does not fit. */
  readonly dpopNonce: 'required' | 'optional'
  /** Addresses and CIDR blocks of one's own network that documents named by strangers may be fetched from. */
  readonly outboundNetworks: readonly string[]
}

/** Thrown with every fault named at once, so that one restart is enough. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

const configFile = 'agent-iam.toml'

/**
 * Reads the environment over `agent-iam.toml`, once; the master keys, and what unwraps them, are erased from the environment.
 *
 * The file holds the same names in lower case without the prefix: `port = 9000`, `database_url = "…"`.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env, folder = process.cwd()): Config {
  const result = Settings.safeParse({ ...readFileSettings(resolve(folder, configFile)), ...withoutEmpty(env) })
  for (const name of secretNames) delete env[name]
  if (!result.success) {
    const faults = result.error.issues.map((issue) => `  ${issue.path.join('.') || configFile}: ${issue.message}`)
    throw new ConfigError(`The configuration has ${faults.length === 1 ? 'a fault' : 'faults'}:\n${faults.join('\n')}`)
  }
  return toConfig(result.data, folder)
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}

function toConfig(settings: z.output<typeof Settings>, folder: string): Config {
  const configHome = settings.XDG_CONFIG_HOME ?? `${settings.HOME ?? '.'}/.config`
  return Object.freeze({
    port: settings.AGENT_IAM_PORT,
    host: settings.AGENT_IAM_HOST,
    publicUrl: settings.AGENT_IAM_PUBLIC_URL,
    dataFolder: resolve(folder, settings.AGENT_IAM_DATA),
    credentialsFile: resolve(settings.AGENT_IAM_CREDENTIALS ?? `${configHome}/agent-iam/credentials.json`),
    masterKey: settings.AGENT_IAM_MASTER_KEY,
    masterKeyFile: settings.AGENT_IAM_MASTER_KEY_FILE,
    masterKeyOthers: settings.AGENT_IAM_MASTER_KEY_PREVIOUS,
    keyService: keyServiceOf(settings),
    databaseUrl: settings.DATABASE_URL,
    databasePoolMax: settings.AGENT_IAM_DATABASE_POOL,
    redisUrl: settings.REDIS_URL,
    mail: mailOf(settings),
    logLevel: settings.AGENT_IAM_LOG_LEVEL,
    settings: {
      sessionsPerAgent: settings.AGENT_IAM_SESSIONS_PER_AGENT,
      dynamicRegistration: settings.AGENT_IAM_DYNAMIC_REGISTRATION === 'on',
      requestsPerAgent: settings.AGENT_IAM_REQUESTS_PER_AGENT,
      anonymousRowsPerAddress: settings.AGENT_IAM_ANONYMOUS_ROWS_PER_ADDRESS,
      anonymousRowsPerTenant: settings.AGENT_IAM_ANONYMOUS_ROWS_PER_TENANT,
      loginsPerAccount: settings.AGENT_IAM_LOGINS_PER_ACCOUNT,
      requestsPerUser: settings.AGENT_IAM_REQUESTS_PER_USER,
      requestsPerService: settings.AGENT_IAM_REQUESTS_PER_SERVICE,
      requestsPerApiKey: settings.AGENT_IAM_REQUESTS_PER_API_KEY,
      requestsPerEnrolmentToken: settings.AGENT_IAM_REQUESTS_PER_ENROLMENT_TOKEN,
      logBytesPerRequest: settings.AGENT_IAM_LOG_BYTES_PER_REQUEST,
      verdictsKept: settings.AGENT_IAM_VERDICTS_KEPT,
      requestsPerAddress: settings.AGENT_IAM_REQUESTS_PER_ADDRESS,
      leakedPasswordsUrl: settings.AGENT_IAM_LEAKED_PASSWORDS_URL,
    },
    metricsToken: settings.AGENT_IAM_METRICS_TOKEN,
    trustedProxies: settings.AGENT_IAM_TRUSTED_PROXIES,
    tls: tlsFiles(settings, folder),
    clientCertificateHeader: settings.AGENT_IAM_CLIENT_CERT_HEADER,
    dpopNonce: settings.AGENT_IAM_DPOP_NONCE,
    outboundNetworks: settings.AGENT_IAM_OUTBOUND_NETWORKS,
  })
}

/** Read once, and then gone: a program that we start, or a dump of the environment, does not get them. */
const secretNames = ['AGENT_IAM_MASTER_KEY', 'AGENT_IAM_MASTER_KEY_PREVIOUS', 'AGENT_IAM_MASTER_KEY_TOKEN']

function keyServiceOf(settings: z.output<typeof Settings>): Config['keyService'] {
  const { AGENT_IAM_MASTER_KEY_URL: url, AGENT_IAM_MASTER_KEY_TOKEN: token } = settings
  const { AGENT_IAM_MASTER_KEY_TOKEN_FILE: tokenFile } = settings
  if (url === undefined) return undefined
  return {
    url: url.replace(/\/+$/, ''),
    ...(token !== undefined && { token }),
    ...(tokenFile !== undefined && { tokenFile }),
  }
}

function mailOf({ AGENT_IAM_SMTP_URL: url, AGENT_IAM_MAIL_FROM: from }: z.output<typeof Settings>): Config['mail'] {
  return url !== undefined && from !== undefined ? { url, from } : undefined
}

function tlsFiles(settings: z.output<typeof Settings>, folder: string): Config['tls'] {
  const { AGENT_IAM_TLS_CERT: certificate, AGENT_IAM_TLS_KEY: key, AGENT_IAM_TLS_CLIENT_CA: authorities } = settings
  if (certificate === undefined || key === undefined) return undefined
  return {
    certificate: resolve(folder, certificate),
    key: resolve(folder, key),
    clientAuthorities: authorities && resolve(folder, authorities),
  }
}

const bareNames = new Set(['database_url', 'redis_url'])

function readFileSettings(path: string): Record<string, unknown> {
  const text = readIfThere(path)
  if (text === undefined) return {}
  const entries = Object.entries(parseToml(text))
  const named = entries.map(([key, value]): [string, unknown] => [
    bareNames.has(key) ? key.toUpperCase() : `AGENT_IAM_${key.toUpperCase()}`,
    value,
  ])
  const unknown = named.filter(([name]) => !Object.hasOwn(Settings.shape, name))
  if (unknown.length > 0)
    throw new ConfigError(`${configFile} has settings that nobody knows: ${unknown.map(([name]) => name).join(', ')}`)
  return Object.fromEntries(named)
}

function parseToml(text: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (error) {
    throw new ConfigError(`${configFile} is not TOML: ${String(error)}`, { cause: error })
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function withoutEmpty(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}
