import type { PolicyId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { requirePolicy, requireValidText, type PolicySet } from '../policies/service.ts'

/** What of a tenant's policies is to be otherwise. */
export interface Changes {
  /** Texts that are stored nowhere. */
  readonly policies: readonly { readonly name: string; readonly policy: string }[]
  /** Policies whose latest text is to be in force. */
  readonly policyIds: readonly PolicyId[]
  /** Policies that are not to be in force. */
  readonly without: readonly PolicyId[]
}

type SetPolicy = PolicySet['policies'][number]

/** Makes of the policies in force those that would be. */
export type Redraft = (live: PolicySet) => PolicySet

/** Reads and checks what is to be otherwise. Not inside a transaction: the check of a text waits for others'. */
export async function readChanges(ctx: Context, changes: Changes): Promise<Redraft> {
  const { policies, policyIds, without } = changes
  if (policies.length + policyIds.length + without.length === 0)
    throw new Problem('invalid-request', 'name a policy that is to be added or left out')
  const sent = await checkTexts(ctx, policies)
  const stored = await inTransaction(ctx, (tx) => readPolicies(tx, [...policyIds, ...without]))
  const added = [...sent, ...stored.slice(0, policyIds.length)]
  const removed = new Set<string>([...policyIds, ...without])
  // A name of its own, so that nobody takes the set for the one in force, or for another draft of it.
  const run = ctx.newId('request')
  return (live) => ({
    ...live,
    version: `${live.version} ${run}`,
    policies: [...live.policies.filter(({ id }) => !removed.has(id)), ...added],
  })
}

async function checkTexts(ctx: Context, texts: Changes['policies']): Promise<SetPolicy[]> {
  if (new Set(texts.map(({ name }) => name)).size < texts.length)
    throw new Problem('invalid-request', 'policies: give each draft another name')
  const checked: SetPolicy[] = []
  for (const { name, policy } of texts) {
    const { effect, cedar } = await requireValidText(ctx, policy).catch((error: unknown) => {
      throw error instanceof Problem ? named(name, error) : error
    })
    checked.push({ id: `draft:${name}`, title: name, effect, cedar })
  }
  return checked
}

/** Which of several drafts is at fault. */
function named(name: string, cause: Problem): Problem {
  return new Problem(cause.code, `“${name}”: ${cause.detail}`, { cause, errors: cause.errors })
}

async function readPolicies(tx: Transaction, ids: readonly PolicyId[]): Promise<SetPolicy[]> {
  const found: SetPolicy[] = []
  for (const id of ids) {
    const { name: title, effect, cedar } = await requirePolicy(tx, id)
    found.push({ id, title, effect, cedar })
  }
  return found
}
