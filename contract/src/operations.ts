import * as accounts from './accounts.ts'
import * as agentKeys from './agent-keys.ts'
import * as agentLife from './agent-life.ts'
import * as agents from './agents.ts'
import * as apiKeys from './api-keys.ts'
import * as audit from './audit.ts'
import * as auth from './auth.ts'
import * as authorization from './authorization.ts'
import * as authzen from './authzen.ts'
import * as biscuits from './biscuits.ts'
import * as certificates from './certificates.ts'
import * as clients from './clients.ts'
import * as creations from './creations.ts'
import * as delegation from './delegation.ts'
import * as enrolmentTokens from './enrolment-tokens.ts'
import * as factors from './factors.ts'
import * as grants from './grants.ts'
import * as identities from './identities.ts'
import * as invitations from './invitations.ts'
import * as limits from './limits.ts'
import * as mail from './mail.ts'
import * as members from './members.ts'
import type { Operation } from './operation.ts'
import * as policies from './policies.ts'
import * as policyChecks from './policy-checks.ts'
import * as policyFiles from './policy-files.ts'
import * as policyTemplates from './policy-templates.ts'
import * as policyVersions from './policy-versions.ts'
import * as registrations from './registrations.ts'
import * as resourceTypes from './resource-types.ts'
import * as resources from './resources.ts'
import * as roles from './roles.ts'
import * as sdkTokens from './sdk-tokens.ts'
import * as services from './services.ts'
import * as sessions from './sessions.ts'
import * as setup from './setup.ts'
import * as simulation from './simulation.ts'
import * as signingKeys from './signing-keys.ts'
import * as statusLists from './status-lists.ts'
import * as system from './system.ts'
import * as tenants from './tenants.ts'
import * as token from './token.ts'
import * as trustThresholds from './trust-thresholds.ts'
import * as users from './users.ts'

/** The whole API by group, in the order of the documentation. */
export const operationGroups: ReadonlyArray<{ readonly title: string; readonly operations: readonly Operation[] }> = [
  { title: 'Identities', operations: collect(identities) },
  { title: 'Agents', operations: [...collect(agents), ...collect(agentLife)] },
  { title: 'Delegation', operations: collect(delegation) },
  { title: 'Agents’ keys', operations: collect(agentKeys) },
  { title: 'Certificates', operations: collect(certificates) },
  { title: 'Authentication', operations: collect(auth) },
  { title: 'Client credentials', operations: collect(token) },
  { title: 'Biscuits', operations: collect(biscuits) },
  { title: 'Services', operations: collect(services) },
  { title: 'API keys', operations: collect(apiKeys) },
  { title: 'Users', operations: [...collect(users), ...collect(accounts)] },
  { title: 'Members', operations: collect(members) },
  { title: 'Tenants', operations: collect(tenants) },
  { title: 'Registrations', operations: collect(registrations) },
  { title: 'Invitations', operations: collect(invitations) },
  { title: 'Mail', operations: collect(mail) },
  { title: 'Sessions', operations: collect(sessions) },
  { title: 'SDK tokens', operations: collect(sdkTokens) },
  { title: 'Second factors', operations: collect(factors) },
  { title: 'Creations of clients', operations: collect(creations) },
  { title: 'Authorization', operations: collect(authorization) },
  { title: 'AuthZEN', operations: collect(authzen) },
  { title: 'Capabilities', operations: collect(grants) },
  { title: 'Roles', operations: collect(roles) },
  {
    title: 'Policies',
    operations: [policies, policyVersions, policyChecks, policyTemplates, policyFiles].flatMap(collect),
  },
  { title: 'Resources', operations: [resourceTypes, resources, trustThresholds].flatMap(collect) },
  { title: 'Rate limits', operations: collect(limits) },
  { title: 'What-if', operations: collect(simulation) },
  { title: 'Audit', operations: collect(audit) },
  { title: 'Enrolment tokens', operations: collect(enrolmentTokens) },
  { title: 'Signing keys', operations: collect(signingKeys) },
  { title: 'Status lists', operations: collect(statusLists) },
  { title: 'OAuth clients', operations: collect(clients) },
  { title: 'Setup', operations: collect(setup) },
  { title: 'System', operations: collect(system) },
]

/** Every operation of the API. An endpoint that is not here does not exist. */
export const operations: readonly Operation[] = operationGroups.flatMap((group) => group.operations)

function collect(module: Record<string, unknown>): Operation[] {
  return Object.values(module).filter(isOperation)
}

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'path' in value && 'response' in value && 'example' in value
}
