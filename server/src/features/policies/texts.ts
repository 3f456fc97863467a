import { inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { declaredAttributes } from '../resources/model.ts'
import { readResourceTypes } from '../resources/service.ts'
import type { PolicyText } from './model.ts'
import { validatePolicies, validatePolicy, type PolicyCheck } from './validate.ts'

/** What is right or wrong with a text. Waits for others' checks: not inside a transaction. */
export async function checkText(ctx: Context, text: string): Promise<PolicyCheck> {
  const types = await inTransaction(ctx, readResourceTypes)
  return validatePolicy(text, declaredAttributes(types))
}

/** The same for many texts. */
export async function checkTexts(ctx: Context, texts: readonly string[]): Promise<PolicyCheck[]> {
  const types = await inTransaction(ctx, readResourceTypes)
  return validatePolicies(texts, declaredAttributes(types))
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
