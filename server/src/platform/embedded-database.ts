import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { lockFolder } from './folder-lock.ts'

/** PGlite in a worker thread behind a socket, so that a long query does not hold up this thread. */
export interface EmbeddedDatabase {
  /** The folder of the socket: give it to the pool as `host`. */
  readonly socketFolder: string
  close(): Promise<void>
}

/** PGlite has one session, so connections queue for it; a few let a transaction wait while another ends. */
export const embeddedPoolMax = 8

/** A PostgreSQL client looks for this name in the folder it is given as host. */
const socketName = '.s.PGSQL.5432'

/**
 * Opens the database under a folder, or in memory when there is none.
 *
 * Only one process may open a folder: PGlite would let two corrupt it. Throws when another one has it open.
 */
export async function openEmbeddedDatabase(folder: string | undefined): Promise<EmbeddedDatabase> {
  const unlock = folder === undefined ? () => Promise.resolve() : await lockFolder(folder)
  // Not under the data folder: the path of a Unix socket may have some hundred bytes only.
  const socketFolder = await mkdtemp(join(tmpdir(), 'agent-iam-'))
  const worker = new Worker(new URL('embedded-database-worker.ts', import.meta.url), {
    workerData: { folder: folder && join(folder, 'pglite'), socket: join(socketFolder, socketName) },
  })
  await untilReady(worker)
  return {
    socketFolder,
    async close() {
      const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
      worker.postMessage('close')
      await ended
      await rm(socketFolder, { recursive: true, force: true })
      await unlock()
    },
  }
}

function untilReady(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('error', reject)
  })
}
