import * as contract from '@agent-iam/contract/policies'
import * as contractTemplates from '@agent-iam/contract/policy-templates'
import { exportPolicies, importPolicies } from '@agent-iam/contract/policy-files'
import { validatePolicy } from '@agent-iam/contract/policy-checks'
import * as contractVersions from '@agent-iam/contract/policy-versions'
import { refusingBeforeBody, route, slowRoute, type Route } from '../../platform/route.ts'
import type { Policy, PolicyVersion } from './model.ts'
import * as service from './service.ts'

const documentRoutes = [
  slowRoute(
    contract.createPolicy,
    (ctx, { body }) => service.checkNewPolicy(ctx, body.status, body.policy),
    async (ctx, { body }, text) => toWire(await service.createPolicy(ctx, body, text)),
  ),
  route(contract.listPolicies, async (ctx, { query }) => {
    const { rows, nextCursor } = await service.pagePolicies(ctx, query)
    return { policies: rows.map(toWire), nextCursor }
  }),
  route(contract.getPolicy, async (ctx, { params }) => toWire(await service.getPolicy(ctx, params.policyId))),
  slowRoute(
    contract.updatePolicy,
    (ctx, { params, body }) => service.checkForUpdate(ctx, params.policyId, body),
    async (ctx, { params, body, ifMatch }, text) =>
      toWire(await service.updatePolicy(ctx, { id: params.policyId, ifMatch }, body, text)),
  ),
  route(contract.deletePolicy, async (ctx, { params, ifMatch }) =>
    toWire(await service.removePolicy(ctx, params.policyId, ifMatch)),
  ),
]

const lifeRoutes = [
  slowRoute(
    contractVersions.activatePolicy,
    (ctx, { params }) => service.checkForActivation(ctx, params.policyId),
    async (ctx, { params, body, ifMatch }, checked) =>
      toWire(await service.activatePolicy(ctx, { id: params.policyId, ifMatch }, body.comment, checked)),
  ),
  route(contractVersions.retirePolicy, async (ctx, { params, body, ifMatch }) =>
    toWire(await service.retirePolicy(ctx, { id: params.policyId, ifMatch }, body.comment)),
  ),
  slowRoute(
    contractVersions.rollbackPolicy,
    (ctx, { params, body }) => service.checkForRollback(ctx, params.policyId, body.version),
    async (ctx, { params, body, ifMatch }, text) =>
      toWire(await service.rollbackPolicy(ctx, { id: params.policyId, ifMatch }, body.comment, text)),
  ),
]

const versionRoutes = [
  route(contractVersions.listPolicyVersions, async (ctx, { params, query }) => {
    const { rows, nextCursor } = await service.pageVersions(ctx, params.policyId, query)
    return { versions: rows.map(versionToWire), nextCursor }
  }),
  route(contractVersions.getPolicyVersion, async (ctx, { params }) =>
    versionToWire(await service.getVersion(ctx, params.policyId, params.version)),
  ),
  route(contractVersions.diffPolicy, (ctx, { params, query }) => service.diffPolicy(ctx, params.policyId, query)),
]

const templateRoutes = [
  route(contractTemplates.listPolicyTemplates, async (ctx) => {
    await service.authorizeReading(ctx)
    return { templates: service.templates.map((each) => ({ ...each, parameters: [...each.parameters] })) }
  }),
  slowRoute(
    contractTemplates.createPolicyFromTemplate,
    (ctx, { body }) => service.checkFromTemplate(ctx, body),
    async (ctx, { body }, text) => toWire(await service.createPolicy(ctx, body, text)),
  ),
  route(contractTemplates.listPolicyPacks, async (ctx) => ({ packs: (await service.listPacks(ctx)).map(packToWire) })),
  slowRoute(
    contractTemplates.setPolicyPack,
    (ctx, { params, body }) => service.checkPack(ctx, params.pack, body),
    async (ctx, { params }, drafts) => packToWire(await service.setPack(ctx, params.pack, drafts)),
  ),
]

const checkRoutes = [
  slowRoute(
    validatePolicy,
    (ctx, { body }) => service.checkAnyText(ctx, body.policy),
    async (_ctx, _input, check) =>
      'errors' in check
        ? { valid: false, effect: null, errors: check.errors, warnings: [] }
        : { valid: true, effect: check.effect, errors: [], warnings: [...check.warnings] },
  ),
]

const fileRoutes = [
  route(exportPolicies, (ctx, { query }) => service.exportPolicies(ctx, query.status)),
  refusingBeforeBody(
    slowRoute(
      importPolicies,
      (ctx, { body }) => service.checkFile(ctx, body),
      async (ctx, { body }, checked) =>
        body.dryRun
          ? { applied: false, policies: service.reportFile(checked) }
          : { applied: true, policies: await service.importFile(ctx, checked) },
    ),
    service.requireImporter,
  ),
]

export const policyRoutes: Route[] = [
  ...documentRoutes,
  ...lifeRoutes,
  ...versionRoutes,
  ...templateRoutes,
  ...checkRoutes,
  ...fileRoutes,
]

function toWire({ id, pack, activeVersion, cedar, createdAt, updatedAt, ...rest }: Policy): contract.Policy {
  const { name, description, status, priority, version, effect, revision, createdBy } = rest
  return {
    policyId: id,
    name,
    description,
    status,
    priority,
    pack: pack ?? null,
    version,
    activeVersion: activeVersion ?? null,
    effect,
    policy: cedar,
    revision,
    createdBy,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}

function versionToWire({ version, effect, cedar, author, at, comment }: PolicyVersion): contractVersions.PolicyVersion {
  return { version, effect, policy: cedar, author, at: at.toISOString(), comment }
}

function packToWire({ policies, parameters, ...pack }: service.PackView): contractTemplates.PolicyPack {
  return {
    ...pack,
    parameters: [...parameters],
    enabled: policies.length > 0,
    policies: policies.map(({ id, name }) => ({ policyId: id, name })),
  }
}
