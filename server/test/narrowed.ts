import type { IdentityId } from '@agent-iam/contract/ids'
import { startSession } from '../src/features/sessions/start.ts'
import { signTokens } from '../src/features/tokens/service.ts'
import { inTransaction } from '../src/platform/context.ts'
import type { TestServer } from './test-server.ts'

/** The access token of a session that is narrowed to some entries, as an API key or an OAuth client would have it. */
export async function narrowedTo(
  server: TestServer,
  identityId: IdentityId,
  scope: readonly string[],
  tenantId = server.app.defaultTenantId,
): Promise<string> {
  const ctx = server.inTenant(tenantId)
  const grant = await inTransaction(ctx, (tx) => startSession(tx, identityId, { method: 'password', scope }))
  return (await signTokens(ctx, grant)).accessToken
}
