import { platformTenantId, type TenantId } from '@agent-iam/contract/ids'
import type { Keys } from '../../platform/keys.ts'
import { dpopAlgorithms } from '../dpop.ts'
import { openIdScopes } from './scopes.ts'

const wellKnown = '/.well-known/oauth-protected-resource'

/** Where the metadata of our API lie (RFC 9728 §3.1): the well-known path goes between the host and the resource's own. */
export const resourceMetadataPaths = [
  { url: `${wellKnown}/api`, isOfTenant: false },
  { url: `${wellKnown}/t/:tenantId/api`, isOfTenant: true },
  // Asked for by clients that know the host alone.
  { url: wellKnown, isOfTenant: false },
]

/** What a client that was refused reads to learn where it gets a token (RFC 9728 §5.1). */
export function resourceMetadataUrl(keys: Keys, tenantId: TenantId): string {
  // A stranger is of no tenant yet, and is shown the default one.
  const issuer = tenantId === platformTenantId ? keys.publicUrl : keys.issuerOf(tenantId)
  return `${keys.publicUrl}${wellKnown}${issuer.slice(keys.publicUrl.length)}/api`
}

/** Our own API as a protected resource (RFC 9728 §2). */
export function resourceMetadata(keys: Keys, tenantId: TenantId): object {
  const issuer = keys.issuerOf(tenantId)
  return {
    resource: `${issuer}/api`,
    resource_name: 'Agent IAM',
    authorization_servers: [issuer],
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: ['agent-iam:read', ...openIdScopes],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: [...dpopAlgorithms],
    resource_documentation: `${keys.publicUrl}/docs`,
  }
}
