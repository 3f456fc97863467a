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

test('a batch fails as a whole, and is not tried again, when the database is lost', async () => {
  let attempts = 0
  const lost = new Error('Connection terminated')
  const committer = new GroupCommitter({
    ...inNoWorld.db,
    transaction() {
      attempts++
      return Promise.reject(lost)
    },
  })
  const tenant = inNoWorld.newId('tenant')
  const ended = await Promise.allSettled(
    Array.from({ length: 10 }, () => committer.commit(tenant, new Uint8Array(1), null)),
  )
  expect(ended).toEqual(Array.from({ length: 10 }, () => ({ status: 'rejected', reason: lost })))
  // The first alone, and all that waited for it.
  expect(attempts).toBe(2)
})

test('a commit takes no more bytes than it may, but for one leaf that is as large', async () => {
  const sizes: number[] = []
  const committer = new GroupCommitter({
    ...inNoWorld.db,
    transaction() {
      sizes.push(committer.lag)
      return Promise.reject(new Error('on purpose'))
    },
  })
  const tenant = inNoWorld.newId('tenant')
  const large = new Uint8Array(1_500_000)
  await Promise.allSettled([1, 2, 3, 4, 5, 6].map(() => committer.commit(tenant, large, null)))
  // One, then two at a time: three would be more than four megabytes.
  expect(sizes).toEqual([1, 5, 3, 1])
})
