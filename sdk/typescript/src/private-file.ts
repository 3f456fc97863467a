import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CredentialsError } from './errors.ts'

const ownerOnly = 0o600
const othersMask = 0o077

/** Reads a file of secrets; undefined when there is none. One that others may read is refused. */
export async function readPrivateFile(file: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(file)
    if (process.platform !== 'win32' && (mode & othersMask) !== 0) throw readableByOthers(file, mode)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Makes a file of secrets; false when it is there already: of two who try at once, one makes it. */
export async function createPrivateFile(file: string, text: string): Promise<boolean> {
  const draft = await writeDraft(file, text)
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/** Puts new text in the place of the old, whole or not at all. */
export async function replacePrivateFile(file: string, text: string): Promise<void> {
  await rename(await writeDraft(file, text), file)
}

/** Beside the file, so that moving it there is atomic; flushed, so that a power loss leaves no empty file. */
async function writeDraft(file: string, text: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomBytes(6).toString('hex')}.tmp`
  const handle = await open(draft, 'wx', ownerOnly)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return draft
}

function readableByOthers(file: string, mode: number): CredentialsError {
  const shown = (mode & 0o777).toString(8)
  return new CredentialsError(
    file,
    `${file} is open to others (mode ${shown}); if they are trusted: chmod 600 '${file}'`,
  )
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
