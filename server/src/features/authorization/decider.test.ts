import { platformTenantId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { PolicyEngine } from '../policies/service.ts'
import { Decider } from './decider.ts'

test('a fault of the engine that cannot be recorded is kept for the next time', async () => {
  const engine = new PolicyEngine({ clock: inNoWorld.clock, onFault: () => undefined })
  const fault = { tenantId: platformTenantId, version: '7', blame: 'set', cause: new Error('trap') } as const
  const decider = new Decider(engine, { faults: [fault, { ...fault, version: '8' }] })
  const versions: unknown[] = []
  let isAway = true
  const spine: typeof inNoWorld.spine = {
    append: () => Promise.resolve(),
    committed: () => undefined,
    rejected: () => Promise.resolve(),
    noteFailedLogin: () => undefined,
    commitAlone(_ctx, event) {
      if (isAway) return Promise.reject(new Error('the database is away'))
      versions.push(event.data?.['policiesVersion'])
      return Promise.resolve({ log: 'log_00000000000000000000000000000000', sequence: 0, leafHash: '' })
    },
  }
  await expect(decider.recordFaults({ ...inNoWorld, spine })).rejects.toThrow('away')
  isAway = false
  await decider.recordFaults({ ...inNoWorld, spine })
  await decider.recordFaults({ ...inNoWorld, spine })
  expect(versions).toEqual(['7', '8'])
  await engine.close()
})
