import { z } from 'zod'
import { ConfigError } from './config.ts'

/** Keeps the master key wrapped for us, so that what lies on our disks opens nothing by itself. */
export interface MasterKeyProvider {
  readonly name: string
  /** Throws `ConfigError` when the service does not answer, or does not know the key. */
  unwrap(wrapped: string): Promise<Buffer>
  wrap(plain: Uint8Array): Promise<string>
}

export interface KeyServiceSettings {
  /** `vault+https://host/v1/transit/keys/name`, or `https://host/path` for a plain HTTP service. */
  readonly url: string
  readonly token: string | undefined
}

/** A start waits no longer for it. */
const timeoutMs = 5_000
/** Far above any wrapped key of 32 bytes. */
const answerCharactersMax = 16_384

/** The provider that the URL names: Vault's transit engine, or a service that answers the same two questions plainly. */
export function keyService({ url, token }: KeyServiceSettings): MasterKeyProvider {
  return url.startsWith('vault+') ? vaultTransit(url.slice('vault+'.length), token) : plainService(url, token)
}

/** Vault's transit engine: `…/transit/keys/name` is asked at `…/transit/encrypt/name` and `…/transit/decrypt/name`. */
function vaultTransit(url: string, token: string | undefined): MasterKeyProvider {
  const path = /^(.+)\/keys\/([^/]+)$/.exec(url)
  if (!path)
    throw new ConfigError('AGENT_IAM_MASTER_KEY_URL: a Vault URL ends in /‹transit engine›/keys/‹name of the key›')
  const [, engine = '', key = ''] = path
  const headers = token === undefined ? {} : { 'x-vault-token': token }
  const Plain = z.object({ data: z.object({ plaintext: z.base64() }) })
  const Wrapped = z.object({ data: z.object({ ciphertext: z.string() }) })
  return {
    name: 'Vault',
    unwrap: async (ciphertext) =>
      toBytes((await ask(`${engine}/decrypt/${key}`, { body: { ciphertext }, headers, answer: Plain })).data.plaintext),
    wrap: async (plain) =>
      (await ask(`${engine}/encrypt/${key}`, { body: { plaintext: toText(plain) }, headers, answer: Wrapped })).data
        .ciphertext,
  }
}

/** `POST …/decrypt {ciphertext}` → `{plaintext}` and `POST …/encrypt {plaintext}` → `{ciphertext}`, bytes in base64. */
function plainService(url: string, token: string | undefined): MasterKeyProvider {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const Plain = z.object({ plaintext: z.base64() })
  const Wrapped = z.object({ ciphertext: z.string() })
  return {
    name: 'the key service',
    unwrap: async (ciphertext) =>
      toBytes((await ask(`${url}/decrypt`, { body: { ciphertext }, headers, answer: Plain })).plaintext),
    wrap: async (plain) =>
      (await ask(`${url}/encrypt`, { body: { plaintext: toText(plain) }, headers, answer: Wrapped })).ciphertext,
  }
}

interface Question<Answer extends z.ZodType> {
  readonly body: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly answer: Answer
}

/** NOTE: neither the answer's text nor the library's error is told on: both may hold what is secret. */
async function ask<Answer extends z.ZodType>(url: string, { body, headers, answer }: Question<Answer>) {
  const host = new URL(url).host
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  }).catch(() => {
    throw new ConfigError(`The key service at ${host} does not answer. Without it the master key cannot be unwrapped.`)
  })
  const text = (await response.text().catch(() => '')).slice(0, answerCharactersMax)
  if (!response.ok)
    throw new ConfigError(
      `The key service at ${host} refused (${response.status}): check the key's name and the token.`,
    )
  const read = answer.safeParse(parse(text))
  if (!read.success) throw new ConfigError(`The key service at ${host} answered something else than a key.`)
  return read.data
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function toBytes(text: string): Buffer {
  return Buffer.from(text, 'base64')
}
