import type { ImportedPolicy } from '@agent-iam/contract/policy-files'
import type { PolicyId } from '@agent-iam/contract/ids'
import type { FieldFault } from '../../platform/problem.ts'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { requireWithinQuotas, storeChange } from './changes.ts'
import { splitInThread } from './file-thread.ts'
import { planImport, type ImportInput, type ImportPlan, type PlannedPolicy } from './import-plan.ts'
import { inForce, retire, revise, type Policy, type PolicyText } from './model.ts'
import { storeNew } from './new-policy.ts'
import type { FiledPolicy } from './policy-file.ts'
import type { PolicyFault } from './policy-text.ts'
import { holdPolicies } from './store.ts'
import { listPolicies } from './store/documents.ts'
import { checkTexts } from './texts.ts'
import type { PolicyCheck } from './validate.ts'

/** Most policies that one file may change: all of them change in one transaction. */
const changesMax = 250
/** Most faults of a file that are told. */
const faultsMax = 100

export interface PolicyFile {
  readonly cedar: string
  readonly mode: 'merge' | 'replace'
  readonly dryRun: boolean
}

/** What was found of a file before anything is changed. */
export interface CheckedFile {
  readonly input: ImportInput
  readonly plan: ImportPlan
  /** The stored policies that the plan was made for. */
  readonly stored: readonly Policy[]
  /** Of each policy of the file that is not kept as it is, by its place in the plan. */
  readonly checks: ReadonlyMap<number, PolicyCheck>
}

/** Refuses who may not import, whatever is in the file. */
export async function requireImporter(ctx: Context): Promise<void> {
  await inTransaction(ctx, authorizeImport)
}

/** What a file would do, with its texts checked. Not inside a transaction. */
export async function checkFile(ctx: Context, { cedar, mode }: PolicyFile): Promise<CheckedFile> {
  const stored = await inTransaction(ctx, async (tx) => {
    await authorizeImport(tx)
    return listPolicies(tx, {})
  })
  const texts = stored.map((policy) => policy.cedar)
  const split = await splitInThread(ctx, cedar, texts)
  const cores = new Map(texts.map((text, n) => [text, split.cores[n] ?? text]))
  const input = { filed: split.filed, mode, cores }
  const plan = await planImport(input, stored)
  const changed = [...plan.planned.entries()].filter(([, { action }]) => action !== 'keep')
  if (changed.length + plan.retired.length > changesMax)
    throw new Problem('too-large', `a file may change ${changesMax} policies at once; send it in parts`)
  const found = await checkTexts(
    ctx,
    changed.map(([, { filed }]) => filed.inPlace),
  )
  const checks = new Map(changed.flatMap(([place], n) => (found[n] ? [[place, found[n]] as const] : [])))
  return { input, plan, stored, checks }
}

/** What becomes of each policy of a file, and of those that it replaces. */
export function reportFile({ plan, checks }: Pick<CheckedFile, 'plan' | 'checks'>): ImportedPolicy[] {
  const ofFile = plan.planned.map((each, place): ImportedPolicy => {
    const errors = faultsOf(each, checks.get(place))
    const [action, policyId] = [errors.length > 0 ? 'refuse' : each.action, each.before?.id ?? null] as const
    return { line: each.filed.line, name: each.head.name, policyId, action, status: each.status, errors }
  })
  const rest = plan.retired.map(({ id, name }): ImportedPolicy => {
    return { line: null, name, policyId: id, action: 'retire', status: 'retired', errors: [] }
  })
  return [...ofFile, ...rest]
}

/** Takes a file over, all of it or nothing. */
export async function importFile(ctx: Context, checked: CheckedFile): Promise<ImportedPolicy[]> {
  requireFaultless(checked)
  return inTransaction(ctx, async (tx) => {
    await authorizeImport(tx)
    await holdPolicies(tx)
    const plan = await planFor(checked, await listPolicies(tx, {}))
    await authorizeChanges(tx, plan)
    const ids: PolicyId[] = []
    for (const [place, each] of plan.planned.entries())
      ids.push(await takeOver(tx, each, textOf(each.filed, checked.checks.get(place))))
    for (const before of plan.retired)
      await storeChange(tx, { before, after: retire(before, tx.clock.now()), type: 'policy.retired' })
    await requireWithinQuotas(tx)
    recordEvent(tx, { type: 'policy-file.imported', data: { mode: checked.input.mode, ...countActions(plan) } })
    return reportFile({ plan, checks: new Map() }).map((each, place) => ({
      ...each,
      policyId: ids[place] ?? each.policyId,
    }))
  })
}

/** The plan, made again where what is stored changed while the texts were checked. */
async function planFor({ input, plan, stored }: CheckedFile, now: readonly Policy[]): Promise<ImportPlan> {
  const revisions = (policies: readonly Policy[]) => policies.map(({ id, revision }) => `${id} ${revision}`).join()
  return revisions(stored) === revisions(now) ? plan : planImport(input, now)
}

/** An import may do all of this, so whoever imports must be allowed to. */
async function authorizeImport(tx: Transaction): Promise<void> {
  for (const verb of ['create', 'update', 'activate', 'retire'] as const)
    await tx.authorize(`policies:${verb}`, { type: 'policies' })
}

/** Each that is there is asked about by itself too: a policy may forbid to change one of them. */
async function authorizeChanges(tx: Transaction, { planned, retired }: ImportPlan): Promise<void> {
  const changed = planned.flatMap(({ before, status, action }) =>
    before && action === 'update' ? [{ before, status }] : [],
  )
  const ended = changed.filter(({ before, status }) => before.status === 'active' && status !== 'active')
  const changes = [
    ['policies:update', changed.map(({ before }) => before)],
    ['policies:activate', changed.flatMap(({ before, status }) => (status === 'active' ? [before] : []))],
    ['policies:retire', [...retired, ...ended.map(({ before }) => before)]],
  ] as const
  for (const [action, policies] of changes)
    for (const { id } of policies) await tx.authorize(action, { type: 'policies', id })
}

async function takeOver(tx: Transaction, planned: PlannedPolicy, text: PolicyText | undefined): Promise<PolicyId> {
  const { before, head, status, action } = planned
  if (before && action === 'keep') return before.id
  if (!text) throw new Problem('wrong-state', 'the policies changed meanwhile; send the file again')
  if (!before) return (await storeNew(tx, { ...head, status }, text)).id
  const revised = revise(before, head, text, tx.clock.now())
  const after: Policy = status === 'active' ? inForce(revised) : { ...revised, status, activeVersion: undefined }
  return (await storeChange(tx, { before, after, type: 'policy.updated' })).id
}

function textOf({ cedar }: FiledPolicy, check: PolicyCheck | undefined): PolicyText | undefined {
  if (!check || 'errors' in check) return undefined
  return { cedar, effect: check.effect, isUnscoped: check.isUnscoped }
}

function requireFaultless({ plan, checks }: CheckedFile): void {
  const errors = plan.planned
    .flatMap((each, place) => faultsOf(each, checks.get(place)))
    .map(({ line, column, message }): FieldFault => ({ field: `cedar:${line ?? 1}:${column ?? 1}`, message }))
  if (errors.length === 0) return
  const told = errors.slice(0, faultsMax)
  throw new Problem('policy-invalid', `${errors.length} faults: ${told[0]?.field}: ${told[0]?.message}`, {
    errors: told,
  })
}

/** Faults of a text lie where they are in the file. */
function faultsOf({ filed, faults }: PlannedPolicy, check: PolicyCheck | undefined): PolicyFault[] {
  const ofText = check && 'errors' in check ? check.errors : []
  return [
    ...faults,
    ...ofText.map(({ message, line = 1, column = 1 }) => ({
      message,
      line: filed.line + line - 1,
      column: line === 1 ? filed.column + column - 1 : column,
    })),
  ]
}

function countActions({ planned, retired }: ImportPlan): Record<string, number> {
  const count = (action: PlannedPolicy['action']) => planned.filter((each) => each.action === action).length
  return { created: count('create'), updated: count('update'), kept: count('keep'), retired: retired.length }
}
