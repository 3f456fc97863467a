import { readPersonalAction } from '@agent-iam/contract/audit'
import { operations } from '@agent-iam/contract/operations'
import { inTransaction, type Context } from '../../platform/context.ts'
import { declaredAttributes, type ResourceType } from '../resources/model.ts'
import { readResourceTypes } from '../resources/service.ts'
import { schemaText } from './schema-text.ts'
import { buildSchema, type Schema } from './schema.ts'
import { systemPolicies } from './system-policies.ts'

/** The tenant's schema, as Cedar reads it in JSON or as text. */
export async function readSchema(ctx: Context, format: 'json' | 'cedar'): Promise<Schema | string> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:read', { type: 'policies' })
    const schema = publishSchema(await readResourceTypes(tx))
    return format === 'json' ? schema : schemaText(schema)
  })
}

/**
 * All that a tenant's policies may speak of. What callers send in `context.request` nobody declares: there a policy is
 * checked by how it uses it.
 */
export function publishSchema(types: readonly ResourceType[]): Schema {
  const own = types.flatMap(({ actions }) => actions.map(({ name }) => name))
  const actions = [...new Set([...platformActions(), ...own])].toSorted()
  return buildSchema(actions, { request: {}, attributes: declaredAttributes(types) })
}

function platformActions(): string[] {
  const promised = operations.map(({ action }) => action).filter((action) => action.includes(':'))
  const named = systemPolicies.flatMap(({ cedar }) => [...cedar.matchAll(/AgentIam::Action::"([^"]+)"/g)])
  return [...promised, readPersonalAction, ...named.map(([, action = '']) => action)]
}
