import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Closing } from './closing.ts'
import { lockFolder } from './folder-lock.ts'

/** PGlite in a worker thread behind a socket, so that a long query does not hold up this thread. */
export interface EmbeddedDatabase {
  /** The folder of the socket: give it to the pool as `host`. */
  readonly socketFolder: string
  /** Resolves when the database has gone without being asked to: nothing can be acknowledged from then on. */
  readonly lost: Promise<Error>
  close(): Promise<void>
}

/** PGlite has one session, so connections queue for it; a few let a transaction wait while another ends. */
export const embeddedPoolMax = 8

/** A PostgreSQL client looks for this name in the folder it is given as host. */
const socketName = '.s.PGSQL.5432'

const workerProgram = new URL('embedded-database-worker.ts', import.meta.url)

/**
 * Opens the database under a folder, or in memory when there is none.
 *
 * Only one process may open a folder: PGlite would let two corrupt it. Throws when another one has it open.
 */
export async function openEmbeddedDatabase(
  folder: string | undefined,
  program: URL = workerProgram,
): Promise<EmbeddedDatabase> {
  return Closing.whileOpening((opened) => open(folder, program, opened))
}

async function open(folder: string | undefined, program: URL, opened: Closing): Promise<EmbeddedDatabase> {
  if (folder !== undefined) opened.defer(await lockFolder(folder))
  // Not under the data folder: the path of a Unix socket may have some hundred bytes only.
  const socketFolder = await mkdtemp(join(tmpdir(), 'agent-iam-'))
  opened.defer(() => rm(socketFolder, { recursive: true, force: true }))
  const worker = new Worker(program, {
    workerData: { folder: folder && join(folder, 'pglite'), socket: join(socketFolder, socketName) },
  })
  const ended = untilEnded(worker)
  await Promise.race([untilReady(worker), ended.then((error) => Promise.reject(error))])
  return supervise(worker, { ended, socketFolder, opened })
}

interface Opened {
  readonly ended: Promise<Error>
  readonly socketFolder: string
  readonly opened: Closing
}

function supervise(worker: Worker, { ended, socketFolder, opened }: Opened): EmbeddedDatabase {
  let isClosing = false
  return {
    socketFolder,
    lost: new Promise((resolve) => void ended.then((error) => !isClosing && resolve(error))),
    async close() {
      isClosing = true
      worker.postMessage('close')
      await ended
      await opened.close()
    },
  }
}

function untilReady(worker: Worker): Promise<void> {
  return new Promise((resolve) => worker.once('message', () => resolve()))
}

/** However it ends: a thread that failed tells its error first. */
function untilEnded(worker: Worker): Promise<Error> {
  return new Promise((resolve) => {
    let cause: unknown
    worker.once('error', (error) => (cause = error))
    worker.once('exit', (code) => resolve(new Error(`the embedded database ended with code ${code}`, { cause })))
  })
}
