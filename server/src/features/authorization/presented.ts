import type { Caller } from '../../platform/context.ts'
import { oauthMethod } from '../clients/model.ts'
import type { Presented } from '../policies/model.ts'
import { apiKeyMethod, sdkTokenMethod, tokenExchangeMethod } from '../sessions/model.ts'
import type { Facts } from './model.ts'

/** What the sessions of these methods present; those of all others began with a proof of the identity itself. */
const presentedByMethod: ReadonlyMap<string, Presented> = new Map([
  [apiKeyMethod, 'api-key'],
  [sdkTokenMethod, 'sdk-token'],
  [oauthMethod, 'oauth-client'],
  [tokenExchangeMethod, 'exchanged'],
])

/** The kinds of credential that a caller presents. */
export function presentedBy(caller: Caller): readonly Presented[] {
  if (caller.kind === 'enrolment-token') return ['enrolment-token']
  if (caller.kind !== 'identity') return []
  const { actors, method, attenuation } = caller
  const kind = actors.length > 0 ? 'exchanged' : (presentedByMethod.get(method) ?? 'login')
  return attenuation === undefined ? [kind] : [kind, 'attenuated']
}

/** The same, where somebody of the chain was made with an attenuated token: its blocks bind all below. */
export function presentedAlong({ presented, hops }: Pick<Facts, 'presented' | 'hops'>): readonly Presented[] {
  return hops.some(({ lent }) => lent.blocks !== undefined) ? [...presented, 'attenuated-parent'] : presented
}
