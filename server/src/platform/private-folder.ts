import { chmod, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Stats } from 'node:fs'
import { ConfigError } from './config.ts'

/** The bits of a mode that let somebody else than the owner in. */
const othersBits = 0o077

/**
 * Makes a folder, and everything in it, readable and writable by the user of this process alone. A folder that does not
 * exist is left to its maker. Throws `ConfigError` for a link, and for what belongs to somebody else: its owner can
 * replace what lies there, whatever its mode.
 */
export async function makePrivate(folder: string): Promise<void> {
  const stats = await lstat(folder).catch(unlessAbsent)
  if (stats) await tighten(folder, stats)
}

async function tighten(path: string, stats: Stats): Promise<void> {
  requireOwn(path, stats)
  if ((stats.mode & othersBits) !== 0) await chmod(path, stats.mode & ~othersBits & 0o777)
  if (!stats.isDirectory()) return
  for (const name of await readdir(path)) {
    const inner = join(path, name)
    const found = await lstat(inner).catch(unlessAbsent)
    if (found) await tighten(inner, found)
  }
}

/** Throws `ConfigError` for a link, and for what belongs to another user. */
export function requireOwn(path: string, stats: Stats): void {
  if (stats.isSymbolicLink())
    throw new ConfigError(`${path} is a symbolic link. Name the folder or file itself, or replace the link by it.`)
  const own = process.getuid?.()
  if (own !== undefined && stats.uid !== own)
    throw new ConfigError(
      `${path} belongs to user ${stats.uid}, and this process runs as user ${own}. Change its owner, or choose a folder of this user's own.`,
    )
}

/** Undefined for what is not there: a lock or a temporary file may have gone meanwhile. */
export function unlessAbsent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
