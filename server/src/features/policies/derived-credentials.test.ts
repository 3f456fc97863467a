import { operations } from '@agent-iam/contract/operations'
import { expect, test } from 'vitest'
import { derivedKinds, derivedRefusals, refusalClasses, type Derived } from './derived-credentials.ts'
import { systemPolicies } from './system-policies.ts'

const closed = operations.filter(({ action }) => action !== 'public')
const actionOf = ({ action, selfAction }: (typeof closed)[number]) => (action === 'self' ? selfAction : action) ?? ''
const refusedTo = (kind: Derived) =>
  closed
    .filter((operation) => derivedRefusals(actionOf(operation))?.includes(kind))
    .map(({ id }) => id)
    .toSorted()

/** Whoever takes one from this list lets an API key make authority that outlives it. */
const refusedToApiKeys = [
  'addServiceKey',
  'approveRegistration',
  'assignRole',
  'changePassword',
  'confirmCreation',
  'confirmTotp',
  'createApiKey',
  'createClient',
  'createEnrolmentToken',
  'createRole',
  'createSdkToken',
  'createService',
  'createServiceSecret',
  'createSession',
  'createTenant',
  'delegateAgent',
  'deleteApiKey',
  'deleteClient',
  'deleteRole',
  'deleteServiceKey',
  'deleteServiceSecret',
  'disableApiKey',
  'enableApiKey',
  'enrolTotp',
  'importUsers',
  'inviteTenantAdministrator',
  'inviteUser',
  'listMessages',
  'mintBiscuit',
  'passkeyCreationOptions',
  'pinAgentCertificate',
  'pinServiceCertificate',
  'recoverSdkToken',
  'registerPasskey',
  'removeAgentCertificate',
  'removePasskey',
  'removeServiceCertificate',
  'removeTotp',
  'renamePasskey',
  'renewRecoveryCodes',
  'replaceRole',
  'resetFactors',
  'revokeAgentKey',
  'revokeAllSdkTokens',
  'revokeEnrolmentToken',
  'revokeSdkToken',
  'rotateAgentKey',
  'rotateApiKey',
  'rotateClientSecret',
  'setLoginSettings',
  'setRegistrationSettings',
  'setUserRole',
  'unassignRole',
  'updateClient',
  'updateRole',
]

test.each(closed.map((operation) => [operation.id, operation] as const))('%s is classified', (_id, operation) => {
  expect(operation.action === 'self').toBe(operation.selfAction !== undefined)
  expect(derivedRefusals(actionOf(operation))).toBeDefined()
})

test('an action that nobody knows is in no class', () => {
  expect(derivedRefusals('agents:clone')).toBeUndefined()
  expect(derivedRefusals('constructor')).toBeUndefined()
})

test('an API key is refused just the operations of the committed list', () => {
  expect(refusedTo('api-key')).toEqual(refusedToApiKeys)
})

test('what an API key is refused, exchanged and attenuated tokens are refused too, but for delegation', () => {
  expect(refusedTo('exchanged')).toEqual(expect.arrayContaining(refusedToApiKeys))
  const toAttenuated = refusedToApiKeys.filter((id) => id !== 'delegateAgent')
  expect(refusedTo('attenuated')).toEqual(expect.arrayContaining(toAttenuated))
})

test('whatever returns a secret is refused to an API key, but the registration of an agent', () => {
  const telling = closed.filter(({ secrets = [] }) => secrets.length > 0).map(({ id }) => id)
  expect(telling.length).toBeGreaterThan(5)
  // Each of these is refused where the server would make the key: system:guard-private-key.
  const withKey = ['createIdentity', 'registerAgent']
  expect(telling.filter((id) => !refusedToApiKeys.includes(id)).toSorted()).toEqual(withKey)
})

test.each(derivedKinds)('the guard names every action that %s is refused', (kind) => {
  const guard = systemPolicies.find(({ id }) => id === 'system:guard-derived-credential')?.cedar ?? ''
  const actions = refusalClasses.filter(({ kinds }) => kinds.includes(kind)).flatMap((each) => each.actions)
  expect(actions.length).toBeGreaterThan(5)
  for (const action of actions) expect(guard).toContain(`AgentIam::Action::"${action}"`)
})
