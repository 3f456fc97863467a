import type { CreateIdentity, IdentityChange } from '@agent-iam/contract/identities'
import type { IdentityId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { isId, kindOf } from '../../platform/ids.ts'
import type { IfMatch } from '../../platform/revision.ts'
import { updateUser } from '../accounts/service.ts'
import { readChange } from '../identities/model.ts'
import { importUsers, registerAgent, updateAgent } from '../identities/service.ts'
import { createService, updateService } from '../services/service.ts'
import { requireKnownFields, type IdentityView } from './model.ts'
import { viewChanged, viewIdentity } from './views.ts'

export interface CreatedIdentity extends IdentityView {
  /** PKCS#8 PEM, when the server made an agent's key. */
  readonly privateKey: string | undefined
}

/** Makes an identity as its kind is made: registered, created, or brought from elsewhere. */
export async function createIdentity(ctx: Context, input: CreateIdentity): Promise<CreatedIdentity> {
  return inTransaction(ctx, async (tx) => {
    const { id, privateKey } = await create(tx, input)
    return { ...(await viewIdentity(tx, id)), privateKey }
  })
}

async function create(
  tx: Transaction,
  input: CreateIdentity,
): Promise<{ id: IdentityId; privateKey?: string | undefined }> {
  switch (input.kind) {
    case 'agent': {
      const { agent, privateKey } = await registerAgent(tx, { ...input, ...readEnd(input) })
      return { id: agent.id, privateKey }
    }
    case 'service':
      return { id: (await createService(tx, input)).service.id }
    case 'user': {
      const [imported] = await importUsers(tx, [input])
      if (!imported) throw new Error('one user is brought, or none and a refusal')
      return { id: imported.userId }
    }
  }
}

function readEnd({ expiresAt }: { readonly expiresAt?: string | undefined }): { expiresAt: Date | undefined } {
  return { expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt) }
}

/** Changes what is given, as far as identities of its kind have it. */
export async function updateIdentity(
  ctx: Context,
  id: IdentityId,
  change: IdentityChange,
  ifMatch: IfMatch,
): Promise<IdentityView> {
  requireKnownFields(kindOf(id), change)
  return inTransaction(ctx, async (tx) => {
    if (isId('agent', id)) await updateAgent(tx, id, readChange(change), ifMatch)
    else if (isId('service', id)) await updateService(tx, id, change)
    else if (isId('user', id)) await updateUser(tx, id, change)
    return viewChanged(tx, id, ifMatch)
  })
}
