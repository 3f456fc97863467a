import type { IdentityId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { z } from 'zod'
import type { Transaction } from '../../../platform/context.ts'
import type { Beat } from '../../../platform/pulse.ts'
import { fromUuid, toUuid } from '../../../platform/ids.ts'
import type { ResourceName } from '../../capabilities/model.ts'
import { risks, type AttributeValue, type RegisteredResource, type ResourceDefinitions } from '../model.ts'

interface Row {
  epoch: number
  changes: number
  type: string | null
  id: string
  owner_kind: 'user' | 'service' | 'agent' | null
  owner_id: string | null
  attributes: Record<string, AttributeValue>
  labels: string[]
}

/** What is registered of a resource, undefined where nothing is, with the beat of the log under which it was read. */
export async function readResourceFacts(
  tx: Transaction,
  { type, id }: ResourceName,
): Promise<Beat & { registered: RegisteredResource | undefined }> {
  const { rows } = await sql<Row>`select * from read_resource_facts(${type}, ${id})`.execute(tx.db)
  const [first] = rows
  if (!first) throw new Error(`tenant ${tx.caller.tenantId} has no log`)
  const { epoch, changes } = first
  return { epoch, changes, registered: first.type === null ? undefined : toRegistered(first, rows) }
}

function toRegistered(itself: Row, rows: readonly Row[]): RegisteredResource {
  const { owner_kind: kind, owner_id: owner } = itself
  return {
    owner: kind && owner ? (fromUuid(kind, owner) satisfies IdentityId) : undefined,
    attributes: itself.attributes,
    labels: [...new Set(rows.flatMap(({ labels }) => labels))],
    ancestors: rows.slice(1).map(({ type, id }) => ({ type: type ?? '', id })),
  }
}

const Actions = z.array(z.object({ name: z.string(), risk: z.enum(risks) }))
const Attributes = z.record(z.string(), z.unknown())
const Numbers = z.record(z.string(), z.number())

/** A tenant's resource types and its thresholds of trust. */
export async function readResourceDefinitions(tx: Transaction): Promise<ResourceDefinitions> {
  const tenant = toUuid(tx.caller.tenantId)
  const types = await sql<{ name: string; attributes: unknown; actions: unknown }>`
    select name, attributes, actions from resource_types where tenant_id = ${tenant}`.execute(tx.db)
  const thresholds = await sql<{ by_label: unknown; by_risk: unknown }>`
    select by_label, by_risk from trust_thresholds where tenant_id = ${tenant}`.execute(tx.db)
  const [set] = thresholds.rows
  return {
    types: new Map(
      types.rows.map(({ name, attributes, actions }) => [
        name,
        {
          name,
          attributes: Attributes.parse(attributes),
          actions: new Map(Actions.parse(actions).map((action) => [action.name, action.risk])),
        },
      ]),
    ),
    thresholds: { byLabel: Numbers.parse(set?.by_label ?? {}), byRisk: Numbers.parse(set?.by_risk ?? {}) },
  }
}
