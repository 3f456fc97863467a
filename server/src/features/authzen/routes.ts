import * as authorization from '@agent-iam/contract/authorization'
import * as contract from '@agent-iam/contract/authzen'
import type { TenantId } from '@agent-iam/contract/ids'
import type { Operation } from '@agent-iam/contract/operation'
import type { Keys } from '../../platform/keys.ts'
import { ofRecentCaller, route, type Route } from '../../platform/route.ts'
import type { OnRefused } from '../authorization/service.ts'
import { evaluate, evaluateAll, searchActions, searchResources, searchSubjects, type Desk } from './service.ts'
import { whoCan } from './who-can.ts'

interface Desks extends Omit<Desk, 'onRefused'> {
  /** Puts the refusal of one of several questions on record. */
  readonly onRefused: (operation: string) => OnRefused
}

export function authzenRoutes(desks: Desks): Route[] {
  const deskOf = ({ id }: Operation): Desk => ({ ...desks, onRefused: desks.onRefused(id) })
  return [
    ofRecentCaller(route(contract.evaluate, (ctx, { body }) => evaluate(ctx, deskOf(contract.evaluate), body))),
    ofRecentCaller(
      route(contract.evaluateAll, (ctx, { body }) => evaluateAll(ctx, deskOf(contract.evaluateAll), body)),
    ),
    route(contract.searchSubjects, (ctx, { body }) => searchSubjects(ctx, deskOf(contract.searchSubjects), body)),
    route(contract.searchResources, (ctx, { body }) => searchResources(ctx, deskOf(contract.searchResources), body)),
    route(contract.searchActions, (ctx, { body }) => searchActions(ctx, deskOf(contract.searchActions), body)),
    route(authorization.whoCan, (ctx, { body }) => whoCan(ctx, desks.decider, body)),
    route(contract.authzenConfiguration, ({ keys }) => Promise.resolve(configurationOf(keys))),
    route(contract.tenantAuthzenConfiguration, ({ keys }, { params }) =>
      Promise.resolve(configurationOf(keys, params.tenantId)),
    ),
  ]
}

/** All tenants ask in one place: whose decisions are asked for, the token says. */
function configurationOf(keys: Keys, tenantId?: TenantId) {
  const access = `${keys.publicUrl}/access/v1`
  return {
    policy_decision_point: tenantId === undefined ? keys.publicUrl : `${keys.publicUrl}/t/${tenantId}`,
    access_evaluation_endpoint: `${access}/evaluation`,
    access_evaluations_endpoint: `${access}/evaluations`,
    search_subject_endpoint: `${access}/search/subject`,
    search_resource_endpoint: `${access}/search/resource`,
    search_action_endpoint: `${access}/search/action`,
  }
}
