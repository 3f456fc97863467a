import * as accounts from '@agent-iam/contract/accounts'
import * as audit from '@agent-iam/contract/audit'
import * as auth from '@agent-iam/contract/auth'
import * as authorization from '@agent-iam/contract/authorization'
import * as authzen from '@agent-iam/contract/authzen'
import * as biscuits from '@agent-iam/contract/biscuits'
import * as clients from '@agent-iam/contract/clients'
import * as creations from '@agent-iam/contract/creations'
import * as grants from '@agent-iam/contract/grants'
import * as factors from '@agent-iam/contract/factors'
import * as invitations from '@agent-iam/contract/invitations'
import * as limits from '@agent-iam/contract/limits'
import * as mail from '@agent-iam/contract/mail'
import * as members from '@agent-iam/contract/members'
import * as registrations from '@agent-iam/contract/registrations'
import * as sdkTokens from '@agent-iam/contract/sdk-tokens'
import * as sessions from '@agent-iam/contract/sessions'
import * as setup from '@agent-iam/contract/setup'
import * as simulation from '@agent-iam/contract/simulation'
import * as signingKeys from '@agent-iam/contract/signing-keys'
import * as statusLists from '@agent-iam/contract/status-lists'
import * as system from '@agent-iam/contract/system'
import * as tenants from '@agent-iam/contract/tenants'
import * as token from '@agent-iam/contract/token'
import * as users from '@agent-iam/contract/users'
import { type Bind, call, type Connection } from './call.ts'
import { identities } from './operations-of-identities.ts'
import { rules } from './operations-of-rules.ts'

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
  const bind: Bind =
    (operation) =>
    (...input) =>
      call(connection, operation, ...input)
  return { ...identities(bind), ...logins(bind), ...people(bind), ...rights(bind), ...installation(bind) }
}

/** How it gets in, and for how long. */
function logins(bind: Bind) {
  return {
    auth: {
      challenge: bind(auth.getChallenge),
      login: bind(auth.login),
      refresh: bind(auth.refresh),
      logout: bind(auth.logout),
      logoutAll: bind(auth.logoutAll),
      validate: bind(auth.validate),
      validateToken: bind(auth.validateToken),
      issueToken: bind(token.issueToken),
      changePassword: bind(accounts.changePassword),
      forgotPassword: bind(accounts.forgotPassword),
      resetPassword: bind(accounts.resetPassword),
    },
    creations: { list: bind(creations.listCreations), confirm: bind(creations.confirmCreation) },
    factors: {
      list: bind(factors.listFactors),
      enrolTotp: bind(factors.enrolTotp),
      confirmTotp: bind(factors.confirmTotp),
      removeTotp: bind(factors.removeTotp),
      renewRecoveryCodes: bind(factors.renewRecoveryCodes),
      passkeyCreationOptions: bind(factors.passkeyCreationOptions),
      registerPasskey: bind(factors.registerPasskey),
      renamePasskey: bind(factors.renamePasskey),
      removePasskey: bind(factors.removePasskey),
      passkeyLoginOptions: bind(factors.passkeyLoginOptions),
      reset: bind(factors.resetFactors),
      getLoginSettings: bind(factors.getLoginSettings),
      setLoginSettings: bind(factors.setLoginSettings),
    },
    sessions: {
      create: bind(sessions.createSession),
      list: bind(sessions.listSessions),
      statistics: bind(sessions.getSessionStatistics),
      get: bind(sessions.getSession),
      refresh: bind(sessions.refreshSession),
      updateMetadata: bind(sessions.updateSessionMetadata),
      end: bind(sessions.endSession),
    },
    sdkTokens: {
      create: bind(sdkTokens.createSdkToken),
      list: bind(sdkTokens.listSdkTokens),
      count: bind(sdkTokens.countSdkTokens),
      get: bind(sdkTokens.getSdkToken),
      revoke: bind(sdkTokens.revokeSdkToken),
      revokeAll: bind(sdkTokens.revokeAllSdkTokens),
      recover: bind(sdkTokens.recoverSdkToken),
    },
  }
}

/** Who answers for it. */
function people(bind: Bind) {
  return {
    users: {
      list: bind(accounts.listUsers),
      suspend: bind(accounts.suspendUser),
      reactivate: bind(accounts.reactivateUser),
      import: bind(users.importUsers),
      unlock: bind(users.unlockUser),
    },
    members: {
      list: bind(members.listMembers),
      setRole: bind(members.setUserRole),
    },
    registrations: {
      register: bind(registrations.registerUser),
      confirm: bind(registrations.confirmRegistration),
      status: bind(registrations.getRegistrationStatus),
      list: bind(registrations.listRegistrations),
      approve: bind(registrations.approveRegistration),
      reject: bind(registrations.rejectRegistration),
      getSettings: bind(registrations.getRegistrationSettings),
      setSettings: bind(registrations.setRegistrationSettings),
    },
    invitations: {
      invite: bind(invitations.inviteUser),
      list: bind(invitations.listInvitations),
      revoke: bind(invitations.revokeInvitation),
      accept: bind(invitations.acceptInvitation),
    },
    mail: {
      list: bind(mail.listMessages),
    },
  }
}

/** What it may do, and what it did. */
function rights(bind: Bind) {
  return {
    authzen: {
      evaluate: bind(authzen.evaluate),
      evaluateAll: bind(authzen.evaluateAll),
      searchSubjects: bind(authzen.searchSubjects),
      searchResources: bind(authzen.searchResources),
      searchActions: bind(authzen.searchActions),
      configuration: bind(authzen.authzenConfiguration),
      tenantConfiguration: bind(authzen.tenantAuthzenConfiguration),
    },
    authorization: {
      check: bind(authorization.check),
      bulkCheck: bind(authorization.bulkCheck),
      whoCan: bind(authorization.whoCan),
      listUnused: bind(simulation.listUnused),
      reportResult: bind(authorization.reportResult),
      listPermissions: bind(grants.listPermissions),
      catalogue: bind(grants.getCapabilityCatalogue),
    },
    ...rules(bind),
    limits: {
      create: bind(limits.createRateLimit),
      list: bind(limits.listRateLimits),
      get: bind(limits.getRateLimit),
      update: bind(limits.updateRateLimit),
      delete: bind(limits.deleteRateLimit),
      usage: bind(limits.getRateLimitUsage),
    },
    audit: {
      list: bind(audit.listAuditEvents),
      head: bind(audit.getAuditHead),
      leaves: bind(audit.listAuditLeaves),
      differences: bind(audit.listAuditDifferences),
    },
    clients: {
      create: bind(clients.createClient),
      list: bind(clients.listClients),
      get: bind(clients.getClient),
      update: bind(clients.updateClient),
      delete: bind(clients.deleteClient),
      rotateSecret: bind(clients.rotateClientSecret),
    },
    resources: {
      create: bind(clients.createResource),
      list: bind(clients.listResources),
      delete: bind(clients.deleteResource),
    },
  }
}

/** The server itself. */
function installation(bind: Bind) {
  return {
    tenant: {
      get: bind(tenants.getOwnTenant),
      update: bind(tenants.updateOwnTenant),
      usage: bind(tenants.getTenantUsage),
      stats: bind(members.getDashboardStats),
    },
    tenants: {
      create: bind(tenants.createTenant),
      list: bind(tenants.listTenants),
      get: bind(tenants.getTenant),
      update: bind(tenants.updateTenant),
      setLimits: bind(tenants.setTenantLimits),
      suspend: bind(tenants.suspendTenant),
      reactivate: bind(tenants.reactivateTenant),
      inviteAdministrator: bind(tenants.inviteTenantAdministrator),
    },
    biscuits: {
      mint: bind(biscuits.mintBiscuit),
      verify: bind(biscuits.verifyBiscuit),
      revoke: bind(biscuits.revokeBiscuit),
      keys: bind(biscuits.biscuitKeys),
      tenantKeys: bind(biscuits.tenantBiscuitKeys),
      revocations: bind(biscuits.biscuitRevocations),
      tenantRevocations: bind(biscuits.tenantBiscuitRevocations),
    },
    signingKeys: {
      list: bind(signingKeys.listSigningKeys),
      choose: bind(signingKeys.chooseSigningAlgorithm),
      rotate: bind(signingKeys.rotateSigningKeys),
      revoke: bind(signingKeys.revokeSigningKey),
    },
    setup: {
      complete: bind(setup.completeSetup),
    },
    system: {
      metrics: bind(system.metrics),
      openapi: bind(system.openapi),
      jwks: bind(system.jwks),
      tenantJwks: bind(system.tenantJwks),
      statusList: bind(statusLists.getStatusList),
      tenantStatusList: bind(statusLists.getTenantStatusList),
      statusLists: bind(statusLists.listStatusLists),
      tenantStatusLists: bind(statusLists.listTenantStatusLists),
      live: bind(system.healthLive),
      ready: bind(system.healthReady),
      startup: bind(system.healthStartup),
    },
    pages: {
      home: bind(system.homePage),
      docs: bind(system.docsPage),
      setup: bind(setup.setupPage),
      resetPassword: bind(accounts.resetPasswordPage),
      confirmRegistration: bind(registrations.confirmRegistrationPage),
      acceptInvitation: bind(invitations.acceptInvitationPage),
    },
  }
}
