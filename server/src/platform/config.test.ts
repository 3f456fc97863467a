import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigError, readConfig } from './config.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-iam-config-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const read = (env: NodeJS.ProcessEnv = {}) => readConfig({ HOME: '/home/someone', ...env }, folder)
const write = (toml: string) => writeFileSync(join(folder, 'agent-iam.toml'), toml)

test('without any setting the server is embedded, on this machine alone', () => {
  expect(read()).toMatchObject({
    port: 9000,
    host: '127.0.0.1',
    publicUrl: undefined,
    dataFolder: join(folder, 'data'),
    credentialsFile: '/home/someone/.config/agent-iam/credentials.json',
    databaseUrl: undefined,
    redisUrl: undefined,
  })
})

test('every fault is named at once', () => {
  const env = {
    AGENT_IAM_PORT: '70000',
    AGENT_IAM_HOST: '0.0.0.0',
    AGENT_IAM_LOG_LEVEL: 'loud',
    AGENT_IAM_METRICS_TOKEN: 'short',
    DATABASE_URL: 'mysql://x',
    REDIS_URL: 'nonsense',
  }
  const message = messageOf(() => read(env))
  for (const name of Object.keys(env)) expect(message).toContain(name)
})

test('PostgreSQL needs a public address and a master key, both named at once', () => {
  const message = messageOf(() => read({ DATABASE_URL: 'postgres://localhost/x' }))
  expect(message).toContain('AGENT_IAM_PUBLIC_URL')
  expect(message).toContain('AGENT_IAM_MASTER_KEY')
})

test.each([
  ['0.0.0.0', undefined, true],
  ['0.0.0.0', 'http://iam.example.com', true],
  ['0.0.0.0', 'https://iam.example.com', false],
  ['192.0.2.1', undefined, true],
  ['::1', undefined, false],
  ['localhost', undefined, false],
  ['127.0.0.2', undefined, false],
])('listening on %s with the address %s is refused: %s', (AGENT_IAM_HOST, AGENT_IAM_PUBLIC_URL, isRefused) => {
  const outcome = messageOf(() => read({ AGENT_IAM_HOST, ...(AGENT_IAM_PUBLIC_URL && { AGENT_IAM_PUBLIC_URL }) }))
  expect(outcome.includes('AGENT_IAM_HOST')).toBe(isRefused)
})

test('the master key is erased from the environment, also when the configuration is refused', () => {
  const good: NodeJS.ProcessEnv = { AGENT_IAM_MASTER_KEY: 'secret' }
  expect(readConfig(good, folder).masterKey).toBe('secret')
  const bad: NodeJS.ProcessEnv = { AGENT_IAM_MASTER_KEY: 'secret', AGENT_IAM_PORT: 'x' }
  expect(() => readConfig(bad, folder)).toThrow(ConfigError)
  expect([good, bad].map((env) => 'AGENT_IAM_MASTER_KEY' in env)).toEqual([false, false])
})

test('the environment goes before the file, and an empty variable is none', () => {
  write('port = 1234\nhost = "::1"\nredis_url = "redis://localhost:1"')
  expect(read({ AGENT_IAM_PORT: '4321', AGENT_IAM_HOST: '' })).toMatchObject({
    port: 4321,
    host: '::1',
    redisUrl: 'redis://localhost:1',
  })
})

test.each([
  ['a setting that nobody knows', 'prot = 1', /AGENT_IAM_PROT/],
  ['what is no TOML', 'port = ', /not TOML/],
  ['a wrong type', 'port = "many"', /AGENT_IAM_PORT/],
])('%s in the file is refused', (_what, toml, message) => {
  write(toml)
  expect(() => read()).toThrow(message)
})

test('proxies are trusted by address or block, none unless named', () => {
  expect(read().trustedProxies).toEqual([])
  const AGENT_IAM_TRUSTED_PROXIES = '127.0.0.1, 10.0.0.0/8,fd00::/8, ::1'
  expect(read({ AGENT_IAM_TRUSTED_PROXIES }).trustedProxies).toEqual(['127.0.0.1', '10.0.0.0/8', 'fd00::/8', '::1'])
})

test.each(['proxy.example.com', '10.0.0.0/33', '10.0.0.0/0', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '10.0.0.256'])(
  'a trusted proxy %s is refused',
  (AGENT_IAM_TRUSTED_PROXIES) => {
    expect(() => read({ AGENT_IAM_TRUSTED_PROXIES })).toThrow('AGENT_IAM_TRUSTED_PROXIES')
  },
)

test.each<[string, Record<string, string>]>([
  ['AGENT_IAM_TLS_KEY', { AGENT_IAM_TLS_CERT: 'cert.pem' }],
  ['AGENT_IAM_TLS_KEY', { AGENT_IAM_TLS_KEY: 'key.pem' }],
  ['AGENT_IAM_TLS_CLIENT_CA', { AGENT_IAM_TLS_CLIENT_CA: 'ca.pem' }],
  [
    'AGENT_IAM_PUBLIC_URL',
    { AGENT_IAM_TLS_CERT: 'cert.pem', AGENT_IAM_TLS_KEY: 'key.pem', AGENT_IAM_PUBLIC_URL: 'http://iam.example.com' },
  ],
  ['AGENT_IAM_CLIENT_CERT_HEADER', { AGENT_IAM_CLIENT_CERT_HEADER: 'x-client-cert' }],
  ['AGENT_IAM_CLIENT_CERT_HEADER', { AGENT_IAM_CLIENT_CERT_HEADER: 'no header', AGENT_IAM_TRUSTED_PROXIES: '::1' }],
])('what TLS lacks is named: %s of %j', (name, env) => {
  expect(() => read(env)).toThrow(name)
})

test('with TLS of its own the server may be bound to any address', () => {
  const env = { AGENT_IAM_TLS_CERT: 'cert.pem', AGENT_IAM_TLS_KEY: '/keys/key.pem', AGENT_IAM_HOST: '0.0.0.0' }
  expect(read(env).tls).toEqual({
    certificate: join(folder, 'cert.pem'),
    key: '/keys/key.pem',
    clientAuthorities: undefined,
  })
})

test('the slash at the end of the public address is dropped: it is the issuer of every token', () => {
  expect(read({ AGENT_IAM_PUBLIC_URL: 'https://iam.example.com/' }).publicUrl).toBe('https://iam.example.com')
})

function messageOf(work: () => unknown): string {
  try {
    work()
    return ''
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

test.each([
  ['a mail server without a sender', { AGENT_IAM_SMTP_URL: 'smtp://mail.example.com' }],
  ['a sender without a mail server', { AGENT_IAM_MAIL_FROM: 'iam@example.com' }],
  [
    'a mail server of another kind',
    { AGENT_IAM_SMTP_URL: 'https://me:hidden@mail.example.com', AGENT_IAM_MAIL_FROM: 'iam@example.com' },
  ],
  [
    'a sender that is more than an address',
    { AGENT_IAM_SMTP_URL: 'smtp://mail.example.com', AGENT_IAM_MAIL_FROM: 'a@b.c\r\nBcc: d@e.f' },
  ],
])('%s is refused, and told without its secrets', (_what, env) => {
  const message = messageOf(() => read(env))
  expect(message).toMatch(/AGENT_IAM_(SMTP_URL|MAIL_FROM): \w/)
  expect(message).not.toContain('hidden')
})

test('mail leaves by the server and from the sender that are set', () => {
  const env = { AGENT_IAM_SMTP_URL: 'smtps://me:secret@mail.example.com', AGENT_IAM_MAIL_FROM: 'iam@example.com' }
  expect(read(env).mail).toEqual({ url: env.AGENT_IAM_SMTP_URL, from: env.AGENT_IAM_MAIL_FROM })
  expect(read().mail).toBeUndefined()
})

test('every kind of caller has a limit unless that is set to 0; what is no such number is refused', () => {
  expect(read().settings).toMatchObject({
    requestsPerAgent: 1000,
    requestsPerUser: 1200,
    requestsPerService: 30_000,
    requestsPerApiKey: 1200,
    requestsPerEnrolmentToken: 600,
    requestsPerAddress: 6000,
    logBytesPerRequest: 2048,
    loginsPerAccount: 100,
    anonymousRowsPerAddress: 1000,
    anonymousRowsPerTenant: 20_000,
  })
  for (const name of ['LOGINS_PER_ACCOUNT', 'ANONYMOUS_ROWS_PER_ADDRESS', 'ANONYMOUS_ROWS_PER_TENANT'])
    expect(() => read({ [`AGENT_IAM_${name}`]: '0' })).toThrow(name)
  const env = { AGENT_IAM_REQUESTS_PER_AGENT: '0', AGENT_IAM_REQUESTS_PER_ADDRESS: '50' }
  expect(read(env).settings).toMatchObject({ requestsPerAgent: 0, requestsPerAddress: 50 })
  for (const value of ['-1', '1.5', 'many', '1000001'])
    expect(() => read({ AGENT_IAM_REQUESTS_PER_AGENT: value })).toThrow('AGENT_IAM_REQUESTS_PER_AGENT')
})
