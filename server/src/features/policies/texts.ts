import type { JobOwner } from '../../lib/fair-queue.ts'
import { actingOf, inTransaction, type Context } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { OutsideTransaction } from '../../platform/outside-transaction.ts'
import { Problem } from '../../platform/problem.ts'
import { findRoot } from '../identities/service.ts'
import { declaredAttributes } from '../resources/model.ts'
import { readResourceTypes } from '../resources/service.ts'
import type { DeclaredAttributes } from './check-policy.ts'
import type { PolicyText } from './model.ts'
import { validatePolicies, validatePolicy, type PolicyCheck } from './validate.ts'

const checks = new OutsideTransaction<PolicyCheck[]>()

/** What is right or wrong with a text. Waits for others' checks: a transaction is run again after it. */
export async function checkText(ctx: Context, text: string): Promise<PolicyCheck> {
  const [check] = await checkOutside(ctx, [text], async (owner, declared) => [
    await validatePolicy(owner, text, declared),
  ])
  if (!check) throw new Error('one text gives one answer')
  return check
}

/** The same for many texts. */
export async function checkTexts(ctx: Context, texts: readonly string[]): Promise<PolicyCheck[]> {
  return checkOutside(ctx, texts, (owner, declared) => validatePolicies(owner, texts, declared))
}

type Check = (owner: JobOwner, declared: DeclaredAttributes) => Promise<PolicyCheck[]>

/** With an `Idempotency-Key` all of a request is one transaction, the check of its text too. */
async function checkOutside(ctx: Context, texts: readonly string[], check: Check): Promise<PolicyCheck[]> {
  const { types, root } = await inTransaction(ctx, async (tx) => ({
    types: await readResourceTypes(tx),
    root: tx.caller.kind === 'identity' ? await findRoot(tx, actingOf(tx.caller)[0] ?? tx.caller.identityId) : 'system',
  }))
  const declared = declaredAttributes(types)
  const owner = { tenantId: ctx.caller.tenantId, roots: [root] }
  const key = sha256(JSON.stringify([texts, declared])).toString('base64')
  return checks.run(key, () => check(owner, declared))
}

/** The text with what is known of it; throws `policy-invalid` for one that may not be stored. */
export async function requireValidText(ctx: Context, text: string): Promise<PolicyText> {
  const check = await checkText(ctx, text)
  if (!('errors' in check)) return { cedar: text, effect: check.effect, isUnscoped: check.isUnscoped }
  const errors = check.errors.map(({ message, line, column }) => ({
    field: line === undefined ? 'policy' : `policy:${line}:${column ?? 1}`,
    message,
  }))
  throw new Problem('policy-invalid', errors.map(({ field, message }) => `${field}: ${message}`).join('; '), { errors })
}
