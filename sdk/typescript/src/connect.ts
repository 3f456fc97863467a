import * as agents from '@agent-iam/contract/agents'
import * as audit from '@agent-iam/contract/audit'
import * as auth from '@agent-iam/contract/auth'
import * as authorization from '@agent-iam/contract/authorization'
import * as enrolmentTokens from '@agent-iam/contract/enrolment-tokens'
import type { Operation } from '@agent-iam/contract/operation'
import * as policies from '@agent-iam/contract/policies'
import * as setup from '@agent-iam/contract/setup'
import * as system from '@agent-iam/contract/system'
import type { z } from 'zod'
import { type Arguments, call, type Connection } from './call.ts'

type Schema = z.ZodType | undefined

/** Every operation of the API by name. */
export type Client = ReturnType<typeof connect>

/**
 * The whole API, an operation a function. For agents, `secure` does more: it keeps the key and the session.
 *
 * @example
 * const client = connect({ server: 'http://localhost:9000', token })
 * const { agents } = await client.agents.list({ query: { status: 'active' } })
 */
export function connect(connection: Connection) {
  const bind =
    <P extends Schema, Q extends Schema, B extends Schema, R extends z.ZodType>(operation: Operation<P, Q, B, R>) =>
    (...input: Arguments<P, Q, B>) =>
      call(connection, operation, ...input)

  return {
    agents: {
      register: bind(agents.registerAgent),
      list: bind(agents.listAgents),
      get: bind(agents.getAgent),
      update: bind(agents.updateAgent),
      delete: bind(agents.deleteAgent),
      suspend: bind(agents.suspendAgent),
      reactivate: bind(agents.reactivateAgent),
      setTrust: bind(agents.setAgentTrust),
    },
    auth: {
      challenge: bind(auth.getChallenge),
      login: bind(auth.login),
      refresh: bind(auth.refresh),
      logout: bind(auth.logout),
      validate: bind(auth.validate),
    },
    authorization: { check: bind(authorization.check), reportResult: bind(authorization.reportResult) },
    policies: {
      create: bind(policies.createPolicy),
      list: bind(policies.listPolicies),
      delete: bind(policies.deletePolicy),
    },
    audit: { list: bind(audit.listAuditEvents), head: bind(audit.getAuditHead), leaves: bind(audit.listAuditLeaves) },
    enrolmentTokens: {
      create: bind(enrolmentTokens.createEnrolmentToken),
      list: bind(enrolmentTokens.listEnrolmentTokens),
      revoke: bind(enrolmentTokens.revokeEnrolmentToken),
    },
    setup: { complete: bind(setup.completeSetup), page: bind(setup.setupPage) },
    system: {
      home: bind(system.homePage),
      docs: bind(system.docsPage),
      metrics: bind(system.metrics),
      openapi: bind(system.openapi),
      jwks: bind(system.jwks),
      tenantJwks: bind(system.tenantJwks),
      live: bind(system.healthLive),
      ready: bind(system.healthReady),
      startup: bind(system.healthStartup),
    },
  }
}
