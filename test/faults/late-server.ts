// A server with a long way from deciding to recording, so that whatever may happen in between does. Only tests run it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TenantId } from '@agent-iam/contract/ids'
import { start } from '@agent-iam/server/start'
import { GroupCommitter } from '../../server/src/features/audit/committer.ts'

/** Longer than a suspension takes. */
const lateMs = 60

class LateCommitter extends GroupCommitter {
  override async commit(tenantId: TenantId, leaf: Uint8Array, epoch: number | null) {
    await sleep(lateMs)
    return super.commit(tenantId, leaf, epoch)
  }
}

const server = await start({ replace: (world) => ({ ...world, committer: new LateCommitter(world.db) }) })
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)))
