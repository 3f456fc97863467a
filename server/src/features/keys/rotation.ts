import type { KeyPurpose, SigningAlgorithm } from '@agent-iam/contract/signing-keys'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { makeKeys } from './material.ts'
import {
  algorithmOf,
  keyLines,
  wishFor,
  type KeyLine,
  type KeySet,
  type SigningKey,
  type SigningKeyId,
} from './model.ts'
import { advance, applyChanges, dueAt, missingKeys, revoke, rotate, type KeyChange, type Supply } from './schedule.ts'
import {
  findDueTenants,
  findSigningKey,
  listSigningKeys,
  lockKeySet,
  readKeySet,
  saveKeySet,
  saveSigningKey,
} from './store.ts'

/** Tenants that one run of the job attends to: the next run takes the others. */
const tenantsPerRun = 100
/** Another instance may use up what ours needs, a few times over but not for ever. */
const attemptsMax = 5
/** Each command publishes a key for the days of the overlap: a key set stays small enough to fetch. */
const liveKeysMax = 24

export interface SigningKeys {
  readonly algorithm: SigningAlgorithm
  readonly signingKeys: readonly SigningKey[]
}

/** Makes a tenant's first keys; call it when the tenant is made. The backup, which takes longest, is left to the job. */
export async function createSigningKeys(ctx: Context): Promise<void> {
  const supply = await makeKeys(ctx, keyLines.map(wishFor))
  await inTransaction(ctx, async (tx) => attend(tx, await lockKeySet(tx), supply))
}

/** Does what the clock asks for, for every tenant whose keys are due. Several instances at once do it once. */
export async function attendToKeys(ctx: Context): Promise<void> {
  for (const tenantId of await inTransaction(ctx, (tx) => findDueTenants(tx, tenantsPerRun))) {
    const there = asCaller(ctx, { kind: 'system', tenantId, address: '' })
    // One tenant's fault is not the others'.
    await attendToTenant(there).catch((error: unknown) =>
      ctx.log.error({ error, tenantId }, 'the signing keys of a tenant could not be attended to'),
    )
  }
}

/** The same for the caller's tenant alone. NOTE: not inside a transaction. */
export async function attendToTenant(ctx: Context): Promise<void> {
  const missing = await inTransaction(ctx, async (tx) => missingKeys((await readKeySet(tx)).keys, tx.clock.now()))
  const supply = await makeKeys(ctx, missing)
  await inTransaction(ctx, async (tx) => attend(tx, await lockKeySet(tx), supply))
}

/** What has been done meanwhile is not done again: the set is locked, and asked anew. */
async function attend(tx: Transaction, set: KeySet, supply: Supply): Promise<void> {
  await commit(tx, set, advance(set.keys, supply, tx.clock.now()))
}

/** The keys that the tenant has or had. */
export async function readSigningKeys(ctx: Context): Promise<SigningKeys> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('signing-keys:read', { type: 'signing-keys' })
    return present(tx)
  })
}

/** Chooses which of the active keys signs. Both are published, so every verifier knows the other already. */
export async function chooseAlgorithm(ctx: Context, algorithm: SigningAlgorithm): Promise<SigningKeys> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('signing-keys:configure', { type: 'signing-keys' })
    const set = await lockKeySet(tx)
    await commit(tx, { ...set, algorithm }, [])
    recordEvent(tx, { type: 'signing-algorithm.chosen', resource: 'agent-iam/signing-keys', data: { algorithm } })
    return present(tx)
  })
}

export interface RotationWish {
  /** The tenant's own when it is not said. */
  readonly algorithm?: SigningAlgorithm | undefined
  readonly purpose: KeyPurpose
  readonly immediately: boolean
}

/** Brings the next key forward: it signs at once, or as soon as it has been published for a day. */
export async function rotateKeys(ctx: Context, wish: RotationWish): Promise<SigningKeys> {
  const { purpose, immediately } = wish
  return withSupply(ctx, 'signing-keys:rotate', lines(wish), async (tx, supply) => {
    const set = await lockKeySet(tx)
    const published = set.keys.filter((key) => key.purpose === purpose).length
    if (published >= liveKeysMax)
      throw new Problem('wrong-state', `${published} keys are published; wait until some have retired`)
    const line = requireLine(wish, set.algorithm)
    const changes = rotate(set.keys, { line, immediately }, supply, tx.clock.now())
    if (changes.length === 0) return undefined
    await commit(tx, set, changes)
    return present(tx)
  })
}

/** Ends a key that others may have. What it signed is refused at once, and another signs. */
export async function revokeKey(ctx: Context, id: SigningKeyId): Promise<SigningKey> {
  const line = await inTransaction(ctx, async (tx) => requireKey(tx, id))
  return withSupply(ctx, 'signing-keys:revoke', [line], async (tx, supply) => {
    const set = await lockKeySet(tx)
    const key = await requireKey(tx, id)
    await tx.authorize('signing-keys:revoke', { type: 'signing-keys', id })
    if (key.endedAt) throw new Problem('wrong-state', `the key is ${key.state} already`)
    const changes = revoke(set.keys, key, supply, tx.clock.now())
    if (changes.length === 0) return undefined
    await commit(tx, set, changes)
    return requireKey(tx, id)
  })
}

/** Those of which a wish may want a key. */
function lines({ purpose, algorithm }: Pick<RotationWish, 'purpose' | 'algorithm'>): KeyLine[] {
  return keyLines.filter((line) => line.purpose === purpose && (!algorithm || line.algorithm === algorithm))
}

function requireLine(wish: RotationWish, algorithm: SigningAlgorithm): KeyLine {
  const found = lines(wish)
  const line = found.find((each) => each.algorithm === algorithm) ?? found[0]
  if (!line) throw new Problem('invalid-request', 'Biscuits are signed with EdDSA alone')
  return line
}

async function requireKey(tx: Transaction, id: SigningKeyId): Promise<SigningKey> {
  const key = await findSigningKey(tx, id)
  if (!key) throw notFound('signing-keys', id)
  return key
}

/**
 * Runs a command that may need a new key. The key is made between two transactions, and only for who may command it;
 * the work says by `undefined` that it needs one which is not in the supply.
 */
async function withSupply<Result>(
  ctx: Context,
  action: 'signing-keys:rotate' | 'signing-keys:revoke',
  wanted: readonly KeyLine[],
  work: (tx: Transaction, supply: Supply) => Promise<Result | undefined>,
): Promise<Result> {
  let supply: Supply = []
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const result = await inTransaction(ctx, async (tx) => {
      await tx.authorize(action, { type: 'signing-keys' })
      return work(tx, supply)
    })
    if (result !== undefined) return result
    supply = await makeKeys(ctx, wanted.map(wishFor))
  }
  throw new Problem('unavailable', 'the signing keys are being changed by others; try again')
}

/** Stores the changes in their order, tells of each, and lets every instance know that there are any. */
async function commit(tx: Transaction, set: KeySet, changes: readonly KeyChange[]): Promise<void> {
  for (const { key, event } of changes) {
    await saveSigningKey(tx, key)
    recordEvent(tx, {
      type: event,
      resource: `agent-iam/signing-keys/${key.id}`,
      data: { purpose: key.purpose, algorithm: algorithmOf[key.keyType], keyType: key.keyType, state: key.state },
      narrows: event === 'signing-key.revoked',
    })
  }
  const keys = applyChanges(set.keys, changes)
  const { version, algorithm } = set
  await saveKeySet(tx, { version: version + 1, algorithm, dueAt: dueAt(keys, tx.clock.now()) })
}

async function present(tx: Transaction): Promise<SigningKeys> {
  const { algorithm } = await readKeySet(tx)
  return { algorithm, signingKeys: await listSigningKeys(tx, { ended: true }) }
}
