import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Another process has the data folder open. */
export class FolderLockedError extends Error {
  override name = 'FolderLockedError'
}

/**
 * Takes a folder for this process alone, and returns what gives it back. A lock left by a process that is no more
 * is taken over.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'agent-iam.lock')
  const holder = await readHolder(path)
  if (holder !== undefined && holder !== process.pid && isAlive(holder))
    throw new FolderLockedError(
      `${folder} is in use by process ${holder}. Stop it, or set AGENT_IAM_DATA to another folder.`,
    )
  if (holder !== undefined) await rm(path, { force: true })
  await writeExclusively(path, folder)
  return () => rm(path, { force: true })
}

async function writeExclusively(path: string, folder: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw new FolderLockedError(`${folder} is being opened by another process.`, { cause: error })
  })
  await file.writeFile(`${process.pid}\n`)
  await file.close()
}

async function readHolder(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  const pid = Number(text?.trim())
  return text === undefined ? undefined : Number.isInteger(pid) && pid > 0 ? pid : undefined
}

/** Signal 0 only asks. A process of another user answers EPERM: it lives. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
