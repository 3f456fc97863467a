import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { sha256 } from './digest.ts'
import { systemRandom } from './random.ts'

/** Another process has the data folder open. */
export class FolderLockedError extends Error {
  override name = 'FolderLockedError'
}

/** Tells one lock from every other, so that what was judged is what is taken over. */
const nonceBytes = 16

/**
 * Takes a folder for this process alone, and returns what gives it back. A lock left by a process that is no more
 * is taken over.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'agent-iam.lock')
  const nonce = systemRandom(nonceBytes).toString('hex')
  const ours = `${path}.${nonce}`
  await writeFile(ours, `${process.pid} ${hostname()} ${nonce}\n`, { flag: 'wx', mode: 0o600 })
  try {
    const left = await readFile(path, 'utf8').catch(() => undefined)
    if (left === undefined) await link(ours, path).catch(refuse(path))
    else await takeOver(left, ours, path)
  } finally {
    await rm(ours, { force: true })
  }
  return () => rm(path, { force: true })
}

/**
 * Only who makes the claim on a lock may replace it, and only while it is still the lock that was judged: a second claim
 * can be made only after the first was settled, and then finds another lock.
 */
async function takeOver(judged: string, ours: string, path: string): Promise<void> {
  requireEnded(judged, path)
  const claim = `${path}.claim-${sha256(judged).toString('hex')}`
  await writeFile(claim, '', { flag: 'wx', mode: 0o600 }).catch(refuse(path, claim))
  try {
    if ((await readFile(path, 'utf8')) !== judged) throw new Error('the lock was taken over')
    await rename(ours, path)
  } catch (error) {
    refuse(path)(error)
  } finally {
    await rm(claim, { force: true })
  }
}

function refuse(path: string, claim?: string): (cause: unknown) => never {
  const hint = claim === undefined ? '' : ` If none is, remove ${claim}.`
  return (cause) => {
    throw new FolderLockedError(`${dirname(path)} is being opened by another process.${hint}`, { cause })
  }
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

/** Signal 0 only asks. A process of another user answers EPERM: it lives. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
