import { Decider } from '../features/authorization/service.ts'
import { authorizationRoutes } from '../features/authorization/routes.ts'
import { authzenRoutes } from '../features/authzen/routes.ts'
import { auditRoutes } from '../features/audit/routes.ts'
import { GroupCommitter } from '../features/audit/committer.ts'
import { RefusalRecorder } from '../features/audit/refusals.ts'
import { biscuitRoutes } from '../features/biscuits/routes.ts'
import { PublishedRevocations } from '../features/biscuits/service.ts'
import { apiKeyRoutes } from '../features/api-keys/routes.ts'
import { accountRoutes } from '../features/accounts/routes.ts'
import { clientRoutes } from '../features/clients/routes.ts'
import { creationRoutes } from '../features/creations/routes.ts'
import { agentKeyRoutes } from '../features/agent-keys/routes.ts'
import { certificateRoutes } from '../features/certificates/routes.ts'
import { delegationRoutes } from '../features/delegation/routes.ts'
import { credentialRoutes } from '../features/credentials/routes.ts'
import { directoryRoutes } from '../features/directory/routes.ts'
import { grantRoutes } from '../features/grants/routes.ts'
import { factorRoutes } from '../features/factors/routes.ts'
import { identityRoutes } from '../features/identities/routes.ts'
import { keyRoutes } from '../features/keys/routes.ts'
import { limitRoutes } from '../features/limits/routes.ts'
import { Limiter } from '../features/limits/service.ts'
import { mailRoutes } from '../features/mail/routes.ts'
import { Postman } from '../features/mail/service.ts'
import { policyRoutes } from '../features/policies/routes.ts'
import { schemaRoutes } from '../features/policies/routes/schema.ts'
import { resourceRoutes } from '../features/resources/routes.ts'
import { roleRoutes } from '../features/roles/routes.ts'
import { serviceRoutes } from '../features/services/routes.ts'
import { Admissions } from '../features/services/service.ts'
import { sessionRoutes } from '../features/sessions/routes.ts'
import { sessionManagementRoutes } from '../features/sessions/routes/management.ts'
import { sdkTokenRoutes } from '../features/sessions/routes/sdk-tokens.ts'
import { StatusListPublisher } from '../features/status-lists/publisher.ts'
import { statusListRoutes } from '../features/status-lists/routes.ts'
import { setupRoutes } from '../features/setup/routes.ts'
import { tenancyRoutes } from '../features/tenancy/routes.ts'
import { bulkIdentities } from '@agent-iam/contract/identities'
import type { Context } from '../platform/context.ts'
import type { Problem } from '../platform/problem.ts'
import type { Route } from '../platform/route.ts'
import { Telemetry } from '../platform/telemetry.ts'
import { systemRoutes } from '../transport/system-routes.ts'

/** Routes that need nothing but a context. */
const plainRoutes = [
  ...identityRoutes,
  ...delegationRoutes,
  ...grantRoutes,
  ...sessionRoutes,
  ...factorRoutes,
  ...sessionManagementRoutes,
  ...apiKeyRoutes,
  ...sdkTokenRoutes,
  ...agentKeyRoutes,
  ...certificateRoutes,
  ...resourceRoutes,
  ...roleRoutes,
  ...policyRoutes,
  ...schemaRoutes,
  ...auditRoutes,
  ...credentialRoutes,
  ...clientRoutes,
  ...creationRoutes,
  ...setupRoutes,
  ...keyRoutes,
]

/** What lives in the server and some routes ask. */
export interface Parts {
  readonly committer: GroupCommitter
  readonly telemetry: Telemetry
  readonly decider: Decider
  readonly postman: Postman
  readonly refusals: RefusalRecorder
  readonly limiter: Limiter
}

/** Every operation of the contract, bound to its verb. */
export function routesOf({ committer, telemetry, decider, postman, refusals, limiter }: Parts): Route[] {
  const desk = {
    decider,
    onDecision: (decision: 'allow' | 'deny') => telemetry.decisionAnswered(decision),
    onRefused: recorderOf(refusals),
  }
  return [
    ...plainRoutes,
    ...serviceRoutes(new Admissions()),
    ...authorizationRoutes(desk),
    ...authzenRoutes(desk),
    ...accountRoutes({ isMailDelivered: postman.delivers }),
    ...tenancyRoutes({ isMailDelivered: postman.delivers }),
    ...mailRoutes(postman),
    ...limitRoutes(limiter),
    ...directoryRoutes(desk.onRefused(bulkIdentities.id)),
    ...statusListRoutes(new StatusListPublisher()),
    ...biscuitRoutes(new PublishedRevocations()),
    ...systemRoutes({ telemetry, auditLag: () => committer.lag }),
  ]
}

/** Puts on record what was refused of one of several items. */
const recorderOf = (refusals: RefusalRecorder) => (operation: string) => (ctx: Context, problem: Problem) =>
  refusals.record(ctx, { code: problem.code, policyIds: problem.policyIds, operation })
