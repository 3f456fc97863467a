import type { TenantId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { GroupCommitter, tenantWaitingMax } from './committer.ts'

test('a tenant whose log does not keep up is told so, and the others are not', async () => {
  const begun: TenantId[] = []
  const committer = new GroupCommitter({
    ...inNoWorld.db,
    transaction(tenantId) {
      begun.push(tenantId)
      return new Promise(() => undefined)
    },
  })
  const [busy, quiet] = [inNoWorld.newId('tenant'), inNoWorld.newId('tenant')]
  const leaf = new Uint8Array(1)
  for (let n = 0; n <= tenantWaitingMax; n++) void committer.commit(busy, leaf, null)
  await expect(committer.commit(busy, leaf, null)).rejects.toMatchObject({ code: 'unavailable' })
  void committer.commit(quiet, leaf, null)
  expect(begun).toEqual([busy, quiet])
})
