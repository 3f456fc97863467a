import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, type Config } from './config.ts'
import type { Random } from './random.ts'

const keyBytes = 32

/**
 * The key that seals all secrets at rest: from the environment, a file, or, embedded only, `‹data›/master.key`,
 * which the first start makes. Throws `ConfigError` when it is malformed.
 */
export async function loadMasterKey(config: Config, random: Random): Promise<Buffer> {
  if (config.masterKey !== undefined) return decode(config.masterKey, 'AGENT_IAM_MASTER_KEY')
  if (config.masterKeyFile !== undefined)
    return decode(await readFile(config.masterKeyFile, 'utf8'), config.masterKeyFile)
  return loadOrMake(config.dataFolder, random)
}

async function loadOrMake(folder: string, random: Random): Promise<Buffer> {
  const path = join(folder, 'master.key')
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (found !== undefined) return decode(found, path)
  if (existsSync(join(folder, 'pglite')))
    throw new ConfigError(`${path} is missing, and only it opens the database beside it. Put it back from a backup.`)
  const key = random(keyBytes)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(path, `${key.toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  return key
}

function decode(text: string, source: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64url')
  if (key.length === keyBytes && key.toString('base64url') === text.trim().replace(/=+$/, '')) return key
  throw new ConfigError(`${source} must be 32 bytes in base64url, as of: openssl rand -base64 32 | tr '+/' '-_'`)
}
