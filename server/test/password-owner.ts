import { platformTenantId } from '@agent-iam/contract/ids'
import type { JobOwner } from '../src/lib/fair-queue.ts'

/** Whom the hashes count against that tests make by themselves. */
export const passwordOwnerOfTests: JobOwner = { tenantId: platformTenantId, roots: ['tests'] }
