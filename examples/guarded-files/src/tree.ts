import { readdir, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'

/** A file as the file system knows it, and as the server is asked about it. */
export interface GuardedFile {
  readonly path: string
  /** `file/` and the path below the root, with all detours taken out. */
  readonly resource: string
}

/**
 * Finds the file that a path really leads to. What is asked about must be what is read: `docs/../secrets/x`, or a
 * link in `docs` that points into `secrets`, is a file of `secrets`.
 *
 * A path that leads out of the root is refused: it has no name here to ask about.
 */
export async function locate(root: string, wanted: string): Promise<GuardedFile> {
  const base = await realpath(root)
  const path = await realpath(join(base, wanted))
  const below = relative(base, path)
  if (below === '' || below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below))
    throw new RangeError(`${wanted} leads out of the tree`)
  return { path, resource: `file/${below.split(sep).join('/')}` }
}

/** Every file below the root, in a steady order. */
export async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted()
}
