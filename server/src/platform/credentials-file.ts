import { lstat, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { requireOwn, unlessAbsent } from './private-folder.ts'
import { systemRandom } from './random.ts'

/** What CLI and SDK on the same machine find about this server; the SDK reads the same shape. */
export interface LocalServer {
  readonly issuer: string
  readonly tenantId: string
  readonly tenant: string
  readonly enrolmentToken: string
  readonly expiresAt: string
}

/** A name that nobody guesses. */
const nameBytes = 8

const File = z.object({ version: z.literal(1), servers: z.record(z.string(), z.unknown()) })

/** Puts this server's entry beside those of others; a file that is not ours to read is left alone and reported. */
export async function writeLocalServer(path: string, url: string, server: LocalServer): Promise<void> {
  const servers = { ...(await readServers(path)), [url]: server }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${systemRandom(nameBytes).toString('hex')}`
  // Exclusive: where others may write into the folder, one of them could have put a link there.
  await writeFile(temporary, `${JSON.stringify({ version: 1, servers }, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  await rename(temporary, path)
}

async function readServers(path: string): Promise<Record<string, unknown>> {
  const stats = await lstat(path).catch(unlessAbsent)
  if (stats) requireOwn(path, stats)
  const text = stats && (await readFile(path, 'utf8'))
  if (text === undefined) return {}
  const file = File.safeParse(JSON.parse(text))
  if (!file.success) throw new Error(`${path} is not a credentials file of version 1; move it away`)
  return file.data.servers
}
