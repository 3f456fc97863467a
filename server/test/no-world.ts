import { platformTenantId } from '@agent-iam/contract/ids'
import type { Context } from '../src/platform/context.ts'
import { idGenerator } from '../src/platform/ids.ts'
import { createLog } from '../src/platform/log.ts'
import { systemRandom } from '../src/platform/random.ts'
import { createSealer } from '../src/platform/sealing.ts'
import { defaultSettings } from '../src/platform/settings.ts'
import { inProcessState } from '../src/platform/shared-state.ts'
import { TestClock } from './test-clock.ts'

const refuse = (): never => {
  throw new Error('this test reaches no world')
}
const clock = new TestClock()

/** A context for what must not reach a database, a key or the log: it would fail. */
export const inNoWorld: Context = {
  caller: { kind: 'anonymous', tenantId: platformTenantId, address: '192.0.2.1' },
  requestId: 'req_test',
  traceId: undefined,
  log: createLog('silent'),
  clock,
  random: systemRandom,
  newId: idGenerator(clock, systemRandom),
  sharedState: inProcessState(clock),
  sealer: createSealer(Buffer.alloc(32), systemRandom),
  fetch: { untrusted: refuse, operator: refuse },
  settings: defaultSettings,
  authorizer: refuse,
  db: { transaction: refuse, isReachable: refuse, durability: refuse, close: refuse },
  keys: {
    publicUrl: 'http://localhost:9000',
    issuerOf: refuse,
    tenantOf: refuse,
    signAccessToken: refuse,
    verifyAccessToken: refuse,
    publicJwks: refuse,
    signJwt: refuse,
    verifyJwt: refuse,
    signingJwks: refuse,
    publicRootKeys: refuse,
    signingRootKey: refuse,
    findRootKey: refuse,
  },
  spine: { append: refuse, commitAlone: refuse, committed: refuse, rejected: refuse, noteFailedLogin: refuse },
}
