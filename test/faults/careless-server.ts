// A server that answers before the commit: for the tests to show that they would notice. Nothing else runs it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TenantId } from '@agent-iam/contract/ids'
import { start } from '@agent-iam/server/start'
import { leafHash } from '@agent-iam/standards/merkle'
import { GroupCommitter } from '../../server/src/features/audit/committer.ts'

/** How long an answered decision is not durable yet. */
const carelessMs = 50

class CarelessCommitter extends GroupCommitter {
  #next = 0

  override commit(tenantId: TenantId, leaf: Uint8Array, epoch: number | null) {
    void sleep(carelessMs).then(() => super.commit(tenantId, leaf, epoch))
    return Promise.resolve({ sequence: this.#next++, leafHash: Buffer.from(leafHash(leaf)).toString('hex') })
  }
}

const server = await start({ replace: (world) => ({ ...world, committer: new CarelessCommitter(world.db) }) })
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)))
