import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, type Config } from './config.ts'
import { keyService, type MasterKeyProvider } from './key-service.ts'
import type { Random } from './random.ts'

const keyBytes = 32

/** The key that seals from now on, and others that what was sealed before still opens with. */
export interface MasterKeys {
  readonly current: Buffer
  readonly others: readonly Buffer[]
}

/**
 * The keys that seal all secrets at rest: from the environment, a file, or, embedded only, `‹data›/master.key`, which the
 * first start makes. With a key service they are wrapped there, and it unwraps them. Throws `ConfigError` when one is
 * malformed, or the service does not give it.
 */
export async function loadMasterKeys(config: Config, random: Random): Promise<MasterKeys> {
  const provider = config.keyService ? keyService(await withToken(config.keyService)) : plainly
  const others = []
  for (const text of config.masterKeyOthers) others.push(await unwrap(provider, text, 'AGENT_IAM_MASTER_KEY_PREVIOUS'))
  return { current: await loadCurrent(config, provider, random), others }
}

async function loadCurrent(config: Config, provider: MasterKeyProvider, random: Random): Promise<Buffer> {
  if (config.masterKey !== undefined) return unwrap(provider, config.masterKey, 'AGENT_IAM_MASTER_KEY')
  if (config.masterKeyFile !== undefined)
    return unwrap(provider, await readFile(config.masterKeyFile, 'utf8'), config.masterKeyFile)
  return loadOrMake(config.dataFolder, provider, random)
}

async function loadOrMake(folder: string, provider: MasterKeyProvider, random: Random): Promise<Buffer> {
  const path = join(folder, 'master.key')
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (found !== undefined) return unwrap(provider, found, path)
  if (existsSync(join(folder, 'pglite')))
    throw new ConfigError(`${path} is missing, and only it opens the database beside it. Put it back from a backup.`)
  const key = random(keyBytes)
  const wrapped = await provider.wrap(key)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(path, `${wrapped}\n`, { mode: 0o600, flag: 'wx' })
  return key
}

async function unwrap(provider: MasterKeyProvider, text: string, source: string): Promise<Buffer> {
  const key = await provider.unwrap(text.trim())
  if (key.length === keyBytes) return key
  const what = provider === plainly ? 'be 32 bytes in base64url, as of: openssl rand -base64 32 | tr' : undefined
  throw new ConfigError(
    what
      ? `${source} must ${what} '+/' '-_'`
      : `${source}: ${provider.name} unwrapped it to something else than 32 bytes`,
  )
}

/** Without a key service the text is the key itself. */
const plainly: MasterKeyProvider = {
  name: 'the configuration',
  unwrap(text) {
    const key = Buffer.from(text, 'base64url')
    return Promise.resolve(key.toString('base64url') === text.replace(/=+$/, '') ? key : Buffer.alloc(0))
  },
  wrap: (plain) => Promise.resolve(Buffer.from(plain).toString('base64url')),
}

async function withToken({ url, token, tokenFile }: NonNullable<Config['keyService']>) {
  return { url, token: tokenFile === undefined ? token : (await readFile(tokenFile, 'utf8')).trim() }
}
