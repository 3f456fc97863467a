import * as agentKeys from '@agent-iam/contract/agent-keys'
import * as agentLife from '@agent-iam/contract/agent-life'
import * as agents from '@agent-iam/contract/agents'
import * as apiKeys from '@agent-iam/contract/api-keys'
import * as certificates from '@agent-iam/contract/certificates'
import * as enrolmentTokens from '@agent-iam/contract/enrolment-tokens'
import * as delegation from '@agent-iam/contract/delegation'
import * as grants from '@agent-iam/contract/grants'
import * as identityOperations from '@agent-iam/contract/identities'
import * as services from '@agent-iam/contract/services'
import * as sessions from '@agent-iam/contract/sessions'
import type { Bind } from './call.ts'

/** What acts, and what proves it. */
export function identities(bind: Bind) {
  return {
    ...agentsOf(bind),
    identities: {
      create: bind(identityOperations.createIdentity),
      list: bind(identityOperations.listIdentities),
      get: bind(identityOperations.getIdentity),
      update: bind(identityOperations.updateIdentity),
      delete: bind(identityOperations.deleteIdentity),
      verify: bind(identityOperations.verifyIdentity),
      suspend: bind(identityOperations.suspendIdentity),
      reactivate: bind(identityOperations.reactivateIdentity),
      revoke: bind(identityOperations.revokeIdentity),
      bulk: bind(identityOperations.bulkIdentities),
      listCapabilities: bind(grants.listIdentityCapabilities),
      grantCapability: bind(grants.grantIdentityCapability),
      revokeCapability: bind(grants.revokeIdentityCapability),
    },
    services: {
      create: bind(services.createService),
      list: bind(services.listServices),
      get: bind(services.getService),
      suspend: bind(services.suspendService),
      reactivate: bind(services.reactivateService),
      delete: bind(services.deleteService),
      createSecret: bind(services.createServiceSecret),
      listSecrets: bind(services.listServiceSecrets),
      deleteSecret: bind(services.deleteServiceSecret),
      addKey: bind(services.addServiceKey),
      listKeys: bind(services.listServiceKeys),
      deleteKey: bind(services.deleteServiceKey),
      pinCertificate: bind(certificates.pinServiceCertificate),
      listCertificates: bind(certificates.listServiceCertificates),
      removeCertificate: bind(certificates.removeServiceCertificate),
    },
    apiKeys: {
      create: bind(apiKeys.createApiKey),
      list: bind(apiKeys.listApiKeys),
      get: bind(apiKeys.getApiKey),
      disable: bind(apiKeys.disableApiKey),
      enable: bind(apiKeys.enableApiKey),
      rotate: bind(apiKeys.rotateApiKey),
      delete: bind(apiKeys.deleteApiKey),
    },
  }
}

/** Of agents alone: what makes one, and what it makes. */
function agentsOf(bind: Bind) {
  return {
    agents: {
      register: bind(agents.registerAgent),
      list: bind(agents.listAgents),
      get: bind(agents.getAgent),
      update: bind(agents.updateAgent),
      put: bind(agents.putAgent),
      delete: bind(agents.deleteAgent),
      verify: bind(agentLife.verifyAgent),
      suspend: bind(agents.suspendAgent),
      reactivate: bind(agents.reactivateAgent),
      revoke: bind(agentLife.revokeAgent),
      changeOwner: bind(agentLife.changeAgentOwner),
      getTrust: bind(agentLife.getAgentTrust),
      setTrust: bind(agents.setAgentTrust),
      listCapabilities: bind(grants.listAgentCapabilities),
      grantCapability: bind(grants.grantAgentCapability),
      revokeCapability: bind(grants.revokeAgentCapability),
      rotateKey: bind(agentKeys.rotateAgentKey),
      listKeys: bind(agentKeys.listAgentKeys),
      revokeKey: bind(agentKeys.revokeAgentKey),
      pinCertificate: bind(certificates.pinAgentCertificate),
      listCertificates: bind(certificates.listAgentCertificates),
      removeCertificate: bind(certificates.removeAgentCertificate),
      endSessions: bind(sessions.endAgentSessions),
    },
    delegations: {
      create: bind(delegation.delegateAgent),
      chain: bind(delegation.getDelegationChain),
      descendants: bind(delegation.getDescendants),
      move: bind(delegation.moveAgent),
    },
    enrolmentTokens: {
      create: bind(enrolmentTokens.createEnrolmentToken),
      list: bind(enrolmentTokens.listEnrolmentTokens),
      revoke: bind(enrolmentTokens.revokeEnrolmentToken),
    },
  }
}
