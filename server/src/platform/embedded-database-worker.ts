// The thread of the embedded database: PGlite and the socket that PostgreSQL clients connect to.
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { z } from 'zod'
import { embeddedPoolMax } from './embedded-database.ts'

/** Room for the pool, a migration and someone who looks on with psql. */
const connectionsMax = embeddedPoolMax + 4

const { folder, socket } = z.object({ folder: z.string().optional(), socket: z.string() }).parse(workerData)
const database = await PGlite.create(folder)
const server = new PGLiteSocketServer({ db: database, path: socket, maxConnections: connectionsMax })
await server.start()
parentPort?.once('message', () => void close())
parentPort?.postMessage('ready')

async function close(): Promise<void> {
  await server.stop()
  await database.close()
  parentPort?.close()
}
