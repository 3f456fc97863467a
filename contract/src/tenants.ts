import { z } from 'zod'

/** Most that a limit can be set to: beyond it nothing was tried. */
const limitMax = 10_000_000
/** No chain of delegation is longer in any tenant. */
const delegationDepthMax = 10
/** No bulk operation takes more in any tenant. */
const bulkItemsMax = 1000

/** How much a tenant may have; what has ended does not count. */
export const TenantLimits = z.strictObject({
  agents: z.int().min(0).max(limitMax),
  users: z.int().min(1).max(limitMax),
  services: z.int().min(0).max(limitMax),
  /** Agents that one identity has made by delegation. */
  children: z.int().min(0).max(limitMax),
  /** Agents below the root of a chain. */
  delegationDepth: z.int().min(0).max(delegationDepthMax),
  /** Items of one bulk operation. */
  bulkItems: z.int().min(1).max(bulkItemsMax),
})
export type TenantLimits = Readonly<z.infer<typeof TenantLimits>>
