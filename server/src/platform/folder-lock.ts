import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { threadId } from 'node:worker_threads'

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
  const left = await readFile(path, 'utf8').catch(() => undefined)
  if (left !== undefined) {
    requireEnded(left, path)
    await putAside(left, path)
  }
  await writeFile(path, `${process.pid} ${hostname()}\n`, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    throw new FolderLockedError(`${folder} is being opened by another process.`, { cause: error })
  })
  return () => rm(path, { force: true })
}

/** Only processes of this host can be asked; a container has a host's name, and a process 1, of its own. */
function requireEnded(lock: string, path: string): void {
  const [pid = '', host = hostname()] = lock.trim().split(' ')
  const isOurs = host === hostname()
  const isEnded = isOurs && Number(pid) > 0 && (Number(pid) === process.pid || !isAlive(Number(pid)))
  if (isEnded) return
  const holder = pid === '' ? 'another process' : `process ${pid}${isOurs ? '' : ` of host ${host}`}`
  throw new FolderLockedError(
    `${dirname(path)} is in use by ${holder}. Stop it, or set AGENT_IAM_DATA to another folder. ` +
      `If it is no more, remove ${path}.`,
  )
}

/** Of two who judged the same lock, one moves that lock away; the other finds what the first put in its place. */
async function putAside(judged: string, path: string): Promise<void> {
  const aside = `${path}.${process.pid}.${threadId}`
  try {
    await rename(path, aside)
    if ((await readFile(aside, 'utf8')) !== judged) {
      await rename(aside, path)
      throw new Error('the lock was taken over by another process')
    }
    await rm(aside)
  } catch (error) {
    throw new FolderLockedError(`${dirname(path)} is being opened by another process.`, { cause: error })
  }
}

/** Signal 0 only asks. A process of another user answers EPERM: it lives. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
