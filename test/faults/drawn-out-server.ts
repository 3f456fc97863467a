// A server whose revocations take their time, before their commit and after it, so that a kill falls within. Only tests
// run it.
import { setTimeout as sleep } from 'node:timers/promises'
import { start } from '@agent-iam/server/start'
import type { Connection, Database } from '../../server/src/platform/database.ts'
import { drawnOutMs, revokedMark, revokingMark } from './drawn-out.ts'

/** What is to be tidied up is queued in the transaction that revokes: nobody else sees it before the commit. */
async function revokes(connection: Connection): Promise<boolean> {
  const queued = await connection.selectFrom('settling').select('identity_id').limit(1).execute()
  return queued.length > 0
}

function drawOut(db: Database): Database {
  return {
    isReachable: () => db.isReachable(),
    durability: () => db.durability(),
    close: () => db.close(),
    async transaction(tenantId, work) {
      let isRevoking = false
      const result = await db.transaction(tenantId, async (connection) => {
        const done = await work(connection)
        isRevoking = await revokes(connection)
        if (isRevoking) await pauseAt(revokingMark)
        return done
      })
      if (isRevoking) await pauseAt(revokedMark)
      return result
    },
  }
}

async function pauseAt(mark: string): Promise<void> {
  console.log(mark)
  await sleep(drawnOutMs)
}

const server = await start({ replace: (world) => ({ ...world, db: drawOut(world.db) }) })
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)))
