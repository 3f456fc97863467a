import type { PackName, Parameters } from '@agent-iam/contract/policy-templates'
import { z } from 'zod'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { recordEvent } from '../audit/service.ts'
import { requireWithinQuotas, storeChange } from './changes.ts'
import { inForce, retire, revise, type Policy, type PolicyText } from './model.ts'
import { storeNew } from './new-policy.ts'
import { refusal, type Parameter } from './parameters.ts'
import { holdPolicies } from './store.ts'
import { listPolicies } from './store/documents.ts'
import { fillTemplate, findTemplate, type Template } from './templates.ts'
import { requireValidText } from './texts.ts'

type PackParameter = Omit<Parameter, 'kind'> & { readonly kind: Parameter['kind'] | 'scores' }

/** Policies that are switched on and off together. */
interface Pack {
  readonly pack: PackName
  readonly title: string
  readonly description: string
  readonly parameters: readonly PackParameter[]
  readonly drafts: (given: Parameters) => PackDraft[]
}

interface PackDraft {
  readonly name: string
  readonly cedar: string
}

export interface PackView extends Omit<Pack, 'drafts'> {
  /** Those of its policies that are in force. */
  readonly policies: readonly Policy[]
}

const floors: PackParameter = {
  name: 'floors',
  kind: 'scores',
  description: 'The least trust score by label',
  default: { pii: 0.6, financial: 0.7, phi: 0.7, cardholder: 0.8 },
}

const packs: readonly Pack[] = [
  ofTemplate('business-hours', requireTemplate('business-hours')),
  ofTemplate('address-allow-list', requireTemplate('address-allow-list')),
  {
    pack: 'trust-floor',
    title: 'Trust by label',
    description: 'Agents need more trust for what is more sensitive.',
    parameters: [floors],
    drafts: draftFloors,
  },
]

function requireTemplate(name: string): Template {
  const template = findTemplate(name)
  if (!template) throw new Error(`there is no template ${name}`)
  return template
}

function ofTemplate(pack: PackName, template: Template): Pack {
  const { title, description, parameters } = template
  return {
    pack,
    title,
    description,
    parameters,
    drafts: (given) => [{ name: pack, cedar: fillTemplate(template, given) }],
  }
}

/** Most labels of one pack; a tenant has a handful. */
const floorsMax = 32
const Floors = z.strictObject({ floors: z.record(z.string().min(1).max(60), z.number().min(0).max(1)).optional() })

function draftFloors(given: Parameters): PackDraft[] {
  const read = Floors.safeParse(given)
  if (!read.success)
    throw refusal(read.error.issues.map(({ path, message }) => ({ field: ['parameters', ...path].join('.'), message })))
  const entries = Object.entries(read.data.floors ?? Floors.parse({ floors: floors.default }).floors ?? {})
  if (entries.length === 0 || entries.length > floorsMax)
    throw refusal([{ field: 'parameters.floors', message: `has 1 to ${floorsMax} labels` }])
  const template = requireTemplate('trust-floor')
  return entries.map(([label, minimum]) => ({
    name: `trust-floor: ${label}`,
    cedar: fillTemplate(template, { label, minimum }),
  }))
}

export async function listPacks(ctx: Context): Promise<PackView[]> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:read', { type: 'policies' })
    const views: PackView[] = []
    for (const { drafts: _, ...pack } of packs) views.push({ ...pack, policies: await readInForce(tx, pack.pack) })
    return views
  })
}

interface CheckedDraft {
  readonly name: string
  readonly text: PolicyText
}

/** What a pack would bring into force, checked; nothing when it is switched off. Not inside a transaction. */
export async function checkPack(
  ctx: Context,
  name: PackName,
  { enabled, parameters }: { readonly enabled: boolean; readonly parameters: Parameters },
): Promise<CheckedDraft[]> {
  await inTransaction(ctx, (tx) => tx.authorize('policies:activate', { type: 'policies' }))
  const drafts = enabled ? requirePack(name).drafts(parameters) : []
  const checked: CheckedDraft[] = []
  for (const draft of drafts) checked.push({ name: draft.name, text: await requireValidText(ctx, draft.cedar) })
  return checked
}

/** Brings just these policies of the pack into force; what else of it was, is retired. */
export async function setPack(ctx: Context, name: PackName, wanted: readonly CheckedDraft[]): Promise<PackView> {
  const { drafts: _, ...pack } = requirePack(name)
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('policies:activate', { type: 'policies' })
    await holdPolicies(tx)
    const stored = await listPolicies(tx, { pack: name })
    for (const draft of wanted) await bringIntoForce(tx, pack, draft, stored)
    const left = stored.filter(
      (policy) => policy.status === 'active' && !wanted.some((each) => each.name === policy.name),
    )
    for (const before of left) {
      await tx.authorize('policies:retire', { type: 'policies', id: before.id })
      await storeChange(tx, { before, after: retire(before, tx.clock.now()), type: 'policy.retired' })
    }
    if (wanted.length > 0) await requireWithinQuotas(tx)
    const type = wanted.length > 0 ? 'policy-pack.enabled' : 'policy-pack.disabled'
    recordEvent(tx, { type, resource: `agent-iam/policy-packs/${name}`, data: { pack: name, policies: wanted.length } })
    return { ...pack, policies: await readInForce(tx, name) }
  })
}

async function bringIntoForce(
  tx: Transaction,
  { pack, description }: Omit<Pack, 'drafts'>,
  { name, text }: CheckedDraft,
  stored: readonly Policy[],
): Promise<void> {
  const before = stored.find((policy) => policy.name === name)
  if (!before) {
    await storeNew(tx, { name, description, priority: 0, status: 'active', pack }, text)
    return
  }
  if (before.activeVersion === before.version && before.cedar === text.cedar) return
  await tx.authorize('policies:activate', { type: 'policies', id: before.id })
  const after = inForce(revise(before, {}, text, tx.clock.now()))
  await storeChange(tx, { before, after, type: before.status === 'active' ? 'policy.updated' : 'policy.activated' })
}

async function readInForce(tx: Transaction, pack: PackName): Promise<Policy[]> {
  return listPolicies(tx, { pack, status: 'active' })
}

function requirePack(name: PackName): Pack {
  const pack = packs.find((each) => each.pack === name)
  if (!pack) throw new Error(`the contract names a pack that is not there: ${name}`)
  return pack
}
