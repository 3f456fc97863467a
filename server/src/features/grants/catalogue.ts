import type { CatalogueType } from '@agent-iam/contract/grants'
import { inTransaction, type Context } from '../../platform/context.ts'
import { decodeCursor, toPage } from '../../platform/paging.ts'
import { listCatalogue, type CatalogueRow } from './store/catalogue.ts'

/** What a tenant knows that can be granted: types by name, a page at a time, with all their actions. */
export async function pageCatalogue(
  ctx: Context,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ rows: CatalogueType[]; nextCursor: string | null }> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor, 1)[0]
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('capabilities:read', { type: 'capabilities' })
    const byType = Map.groupBy(await listCatalogue(tx, after, limit + 1), ({ type }) => type)
    return toPage([...byType.values()].map(toType), limit, ({ resourceType }) => [resourceType])
  })
}

function toType(rows: readonly CatalogueRow[]): CatalogueType {
  const [first] = rows
  if (!first) throw new Error('a type is known by a row')
  return {
    resourceType: first.type,
    isDeclared: first.is_declared,
    description: first.type_description,
    actions: rows.flatMap(({ action, risk, description, granted, in_roles: inRoles }) =>
      action === null ? [] : { action, risk, description, granted, inRoles },
    ),
  }
}
