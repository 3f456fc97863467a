import { refusalClasses, type RefusalClass } from './derived-credentials.ts'

export type Effect = 'permit' | 'forbid'

export interface SystemPolicy {
  readonly id: string
  readonly title: string
  readonly effect: Effect
  readonly cedar: string
}

/** Trust under which an agent may do nothing: the border of risk level CRITICAL. */
export const trustScoreMin = 0.3

/** The guard that keeps a session within its scope. */
export const scopeGuardId = 'system:guard-scope'

/** The guard that keeps derived credentials from making authority. */
export const derivedGuardId = 'system:guard-derived-credential'

/** The guard of private keys that the server makes. */
export const privateKeyGuardId = 'system:guard-private-key'

/** What who answers for an agent, or lends it authority, may do about it. */
const seeAndStop = `action in [
        AgentIam::Action::"agents:read",
        AgentIam::Action::"agents:suspend",
        AgentIam::Action::"agents:revoke",
        AgentIam::Action::"agents:delete",
        AgentIam::Action::"sessions:read",
        AgentIam::Action::"sessions:end"
      ]`

function actionSet(names: readonly string[]): string {
  return `[${names.map((name) => `AgentIam::Action::"${name}"`).join(', ')}]`
}

function refusedTo({ kinds, actions }: RefusalClass): string {
  const names = kinds.map((kind) => `"${kind}"`).join(', ')
  return `(context.presented.containsAny([${names}]) && action in ${actionSet(actions)})`
}

/**
 * In force in every tenant and for every action. Permits lend what entity data says; guards take away, whoever permits.
 * Guards use only attributes that every principal, resource and context has: one that erred would deny everything.
 */
export const systemPolicies: readonly SystemPolicy[] = [
  {
    id: 'system:capability',
    title: 'A capability or role permits it',
    effect: 'permit',
    cedar: 'permit(principal, action, resource) when { principal in context.coveredBy };',
  },
  {
    id: 'system:owner',
    title: 'The owner answers for the agent and may stop it',
    effect: 'permit',
    cedar: `permit(
      principal,
      ${seeAndStop},
      resource
    ) when { resource.type == "agent-iam" && resource has owner && resource.owner == principal.id };`,
  },
  {
    id: 'system:ancestor',
    title: 'Who lends an agent authority may see and stop it',
    effect: 'permit',
    cedar: `permit(
      principal,
      ${seeAndStop},
      resource
    ) when { resource.type == "agent-iam" && resource has ancestors && resource.ancestors.contains(principal.id) };`,
  },
  {
    // Who lends authority does not lend this: what an identity may do about itself, its parents cannot lack.
    id: 'system:self',
    title: 'An identity may read about itself, and look after its sessions and its key',
    effect: 'permit',
    cedar: `permit(
      principal,
      action in [
        AgentIam::Action::"agents:read",
        AgentIam::Action::"agents:rotate-key",
        AgentIam::Action::"sessions:create",
        AgentIam::Action::"sessions:read",
        AgentIam::Action::"sessions:update",
        AgentIam::Action::"sessions:end"
      ],
      resource
    ) when { resource.type == "agent-iam" && resource has identity && resource.identity == context.actor };`,
  },
  {
    id: 'system:own-credentials',
    title: 'Who owns an identity or an API key may look after its credentials',
    effect: 'permit',
    cedar: `permit(
      principal,
      action in [
        AgentIam::Action::"agents:create-api-key",
        AgentIam::Action::"agents:rotate-key",
        AgentIam::Action::"agents:revoke-key",
        AgentIam::Action::"agents:pin-certificate",
        AgentIam::Action::"agents:remove-certificate",
        AgentIam::Action::"services:pin-certificate",
        AgentIam::Action::"services:remove-certificate",
        AgentIam::Action::"services:read",
        AgentIam::Action::"services:suspend",
        AgentIam::Action::"services:delete",
        AgentIam::Action::"services:create-secret",
        AgentIam::Action::"services:delete-secret",
        AgentIam::Action::"services:add-key",
        AgentIam::Action::"services:delete-key",
        AgentIam::Action::"api-keys:read",
        AgentIam::Action::"api-keys:disable",
        AgentIam::Action::"api-keys:enable",
        AgentIam::Action::"api-keys:rotate",
        AgentIam::Action::"api-keys:delete"
      ],
      resource
    ) when { resource.type == "agent-iam" && resource has owner && resource.owner == principal.id };`,
  },
  {
    id: 'system:guard-tenant',
    title: 'The resource belongs to another tenant',
    effect: 'forbid',
    cedar: 'forbid(principal, action, resource) when { principal.tenant != resource.tenant };',
  },
  {
    id: 'system:guard-inactive',
    title: 'The identity is not active',
    effect: 'forbid',
    cedar: 'forbid(principal, action, resource) when { principal.status != "active" };',
  },
  {
    id: 'system:guard-expired',
    title: 'The identity has expired',
    effect: 'forbid',
    // Told instead of compared here, so that a verdict rests on the clock only where a tenant’s policy does.
    cedar: 'forbid(principal, action, resource) when { context.expired };',
  },
  {
    id: 'system:guard-chain',
    title: 'The chain of those who lend authority is broken',
    effect: 'forbid',
    cedar: 'forbid(principal, action, resource) unless { context.chainWhole };',
  },
  {
    id: 'system:guard-attenuation',
    title: 'The token was attenuated and does not reach this',
    effect: 'forbid',
    cedar: 'forbid(principal, action, resource) unless { context.withinBlocks };',
  },
  {
    id: scopeGuardId,
    title: 'The session is narrower than this',
    effect: 'forbid',
    cedar: 'forbid(principal, action, resource) unless { context.inScope };',
  },
  {
    id: derivedGuardId,
    title: 'An API key, an exchanged or an attenuated token may not do this',
    effect: 'forbid',
    cedar: `forbid(
      principal,
      action in ${actionSet(refusalClasses.flatMap(({ actions }) => actions))},
      resource
    ) when { ${refusalClasses.map(refusedTo).join(' ||\n')} };`,
  },
  {
    id: privateKeyGuardId,
    title: 'A private key that the server makes is returned only to an enrolment token or to a person’s login',
    effect: 'forbid',
    cedar: `forbid(
      principal,
      action in ${actionSet(['agents:register', 'agents:rotate-key'])},
      resource
    ) when {
      resource has returnsPrivateKey &&
      !(principal is AgentIam::EnrolmentToken) &&
      !(principal is AgentIam::User && context.presented.contains("login"))
    };`,
  },
  {
    id: 'system:guard-trust',
    title: `The agent’s trust score is below ${trustScoreMin}`,
    effect: 'forbid',
    cedar: `forbid(principal is AgentIam::Agent, action, resource)
      when { principal.trustScore.lessThan(decimal("${trustScoreMin}")) };`,
  },
  {
    id: 'system:guard-sensitivity',
    title: 'The agent’s trust score is below what the resource or the action needs',
    effect: 'forbid',
    cedar: `forbid(principal is AgentIam::Agent, action, resource)
      when { principal.trustScore.lessThan(context.trustMin) };`,
  },
]

/** The reason when no policy at all applies. */
export const defaultDeny = { policyId: 'system:default-deny', title: 'Nothing permits it', effect: 'forbid' } as const

/** The reason when the engine could not decide; never the caller's doing, and always looked into. */
export const engineFault = {
  policyId: 'system:policy-engine-fault',
  title: 'The policies could not be evaluated',
  effect: 'forbid',
} as const
