import { getSchema } from '@agent-iam/contract/resource-types'
import { route } from '../../../platform/route.ts'
import { readSchema } from '../published-schema.ts'

export const schemaRoutes = [
  route(getSchema, async (ctx, { query: { format } }) => ({ format, schema: await readSchema(ctx, format) })),
]
