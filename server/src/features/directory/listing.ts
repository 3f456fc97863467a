import { nouns } from '../identities/model.ts'
import type { IdentityKind } from '@agent-iam/contract/identities'
import type { IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { toPage } from '../../platform/paging.ts'
import { Problem } from '../../platform/problem.ts'
import { getUser } from '../accounts/service.ts'
import { cursorOf, getAgent, listIdentities, readPlace, type IdentityFilter } from '../identities/service.ts'
import { getService } from '../services/service.ts'
import type { IdentityView } from './model.ts'
import { viewIdentities, viewIdentity } from './views.ts'

export async function getIdentity(ctx: Context | Transaction, id: IdentityId): Promise<IdentityView> {
  return inTransaction(ctx, async (tx) => {
    await requireReadable(tx, id)
    return viewIdentity(tx, id)
  })
}

/** Throws `not-found` unless the caller may read the identity. */
async function requireReadable(tx: Transaction, id: IdentityId): Promise<void> {
  if (isId('agent', id)) await getAgent(tx, id)
  else if (isId('service', id)) await getService(tx, id)
  else if (isId('user', id)) await getUser(tx, id)
}

export interface IdentitiesQuery extends Omit<IdentityFilter, 'kinds' | 'after'> {
  readonly kind?: IdentityKind | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

/** Identities of the kind that is asked for, or else of each that the caller may read. */
export async function pageIdentities(
  ctx: Context,
  query: IdentitiesQuery,
): Promise<{ rows: IdentityView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    const kinds = await readableKinds(tx, query.kind)
    const found = await listIdentities(tx, { ...query, kinds, after: readPlace(query) }, query.limit + 1)
    const page = toPage(found, query.limit, (identity) => cursorOf(query, identity))
    return { rows: await viewIdentities(tx, page.rows), nextCursor: page.nextCursor }
  })
}

async function readableKinds(tx: Transaction, asked: IdentityKind | undefined): Promise<IdentityKind[]> {
  if (asked) {
    await tx.authorize(`${nouns[asked]}:read`, { type: nouns[asked] })
    return [asked]
  }
  const kinds: IdentityKind[] = []
  for (const kind of ['agent', 'service', 'user'] as const) if (await mayRead(tx, kind)) kinds.push(kind)
  // Refuses in the words for the first of them.
  if (kinds.length === 0) await tx.authorize('agents:read', { type: 'agents' })
  return kinds
}

async function mayRead(tx: Transaction, kind: IdentityKind): Promise<boolean> {
  try {
    await tx.authorize(`${nouns[kind]}:read`, { type: nouns[kind] })
    return true
  } catch (error) {
    if (error instanceof Problem && (error.code === 'forbidden' || error.code === 'insufficient-scope')) return false
    throw error
  }
}
