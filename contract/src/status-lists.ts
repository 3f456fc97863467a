import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'

const published = { method: 'GET', action: 'public', status: 200 } as const
const tenantId = idSchema('tenant')
const listId = idSchema('statusList')

/** A signed status list token (draft-ietf-oauth-status-list §5.1). */
const statusListToken = { response: z.string(), produces: 'application/statuslist+jwt' } as const

export const getStatusList = operation({
  ...published,
  ...statusListToken,
  id: 'getStatusList',
  path: '/status-lists/:listId',
  summary:
    'Tells which tokens of the default tenant have ended, for who verifies them offline: a signed status list ' +
    '(OAuth Token Status List), good for its `ttl`.',
  params: z.strictObject({ listId }),
  problems: ['not-found'],
  example: { params: { listId: 'stl_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})

export const getTenantStatusList = operation({
  ...published,
  ...statusListToken,
  id: 'getTenantStatusList',
  path: '/t/:tenantId/status-lists/:listId',
  summary: 'Tells which tokens of one tenant have ended.',
  params: z.strictObject({ tenantId, listId }),
  problems: ['not-found'],
  example: {
    params: { tenantId: 'ten_0198c5a1f3e07b2c8d4e6f708192a3b4', listId: 'stl_0198c5a1f3e07b2c8d4e6f708192a3b4' },
  },
})

/** The addresses of an issuer's lists (§9.2). */
export const StatusLists = z.object({ status_lists: z.array(z.string()) })
export type StatusLists = z.infer<typeof StatusLists>

export const listStatusLists = operation({
  ...published,
  id: 'listStatusLists',
  path: '/status-lists',
  summary: 'Lists the status lists of the default tenant’s issuer, for who wants to fetch them before they are needed.',
  response: StatusLists,
  problems: [],
  example: {},
})

export const listTenantStatusLists = operation({
  ...published,
  id: 'listTenantStatusLists',
  path: '/t/:tenantId/status-lists',
  summary: 'Lists the status lists of one tenant’s issuer.',
  params: z.strictObject({ tenantId }),
  response: StatusLists,
  problems: [],
  example: { params: { tenantId: 'ten_0198c5a1f3e07b2c8d4e6f708192a3b4' } },
})
