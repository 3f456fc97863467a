import type { ActingIdentity, Facts } from '../src/features/authorization/model.ts'
import { notNarrowed } from '../src/features/identities/model.ts'

interface MadeHop {
  readonly held: readonly string[]
  readonly isActive: boolean
}

/** What a decision would rest on, of a chain that no database knows; who acts has zeros for its id, the next a one. */
export function makeFacts(chain: readonly MadeHop[]): Facts {
  return {
    epoch: 1,
    changes: 0,
    policiesVersion: 1,
    definitionsVersion: 1,
    sessionExpiresAt: undefined,
    edge: undefined,
    hops: chain.map(({ held, isActive }, n): ActingIdentity => ({
      id: `agt_${`${n}`.padStart(32, '0')}`,
      kind: 'agent',
      name: `agent ${n}`,
      type: 'test',
      status: isActive || n > 0 ? 'active' : 'suspended',
      expiresAt: undefined,
      trust: { score: 0.5, basis: 'initial' },
      owner: undefined,
      lent: notNarrowed,
      grants: held.map((entry) => ({ entry })),
      roles: [],
    })),
    root: 'root',
    isChainWhole: true,
    isSessionAlive: true,
    lent: notNarrowed,
    presented: [],
  }
}
