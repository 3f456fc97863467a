import type { Operation } from '@agent-iam/contract/operation'
import { canonicalJson, NotCanonicalizableError } from '@agent-iam/standards/jcs'
import { sql } from 'kysely'
import { addSeconds } from './clock.ts'
import {
  actingOf,
  actorOf,
  inTransaction,
  StaleEpochError,
  type Caller,
  type Context,
  type Transaction,
} from './context.ts'
import type { Database } from './database.ts'
import { equalDigests, sha256 } from './digest.ts'
import { toUuid } from './ids.ts'
import { Problem } from './problem.ts'

/** How long the first answer is given again: longer than any client retries. */
const keptSeconds = 86_400
const keyPattern = /^[\x21-\x7e]{1,255}$/

/**
 * Only what creates something needs a key: everything else may be repeated as it is. What begins a session takes none:
 * its tokens are signed after its transaction, and could not be told again. Nor does what operators do to a tenant: it is
 * a transaction of that tenant, and the key would be of theirs; a slug is taken once, and an invitation ends the last.
 */
export function takesKey({ method, status, action, secrets = [], signsTokens }: Operation): boolean {
  if (method !== 'POST' || status !== 201 || signsTokens || secrets.includes('accessToken')) return false
  return action !== 'public' && !action.startsWith('tenants:')
}

interface Asked {
  readonly operation: Operation
  readonly key: string
  readonly request: unknown
}

/**
 * Does the work of a creating request once for its `Idempotency-Key`: the same caller asking the same again within a day
 * gets the first answer. Key, work and answer are one transaction, so a request that failed has not been made.
 *
 * Throws `idempotency-mismatch` when the key came with another request before, and `already-exists` when the first
 * answer held a secret and so was not kept.
 */
export async function answerOnce(
  ctx: Context,
  asked: Asked,
  work: (ctx: Context) => Promise<unknown>,
): Promise<unknown> {
  if (!keyPattern.test(asked.key))
    throw new Problem('invalid-request', 'Idempotency-Key: is 1 to 255 visible ASCII characters')
  const digest = digestOf(asked.request)
  return inTransaction(ctx, async (tx) => {
    if (!(await insertKey(tx, asked, digest))) return firstAnswer(tx, asked, digest)
    const response = await rethrowingStale(() => work({ ...ctx, db: joining(tx) }))
    if (!holdsSecret(asked.operation, response)) await keepResponse(tx, asked, response)
    return response
  })
}

function digestOf(request: unknown): Buffer {
  try {
    return sha256(canonicalJson(request))
  } catch (error) {
    if (!(error instanceof NotCanonicalizableError)) throw error
    throw new Problem('invalid-request', `the body cannot be kept under a key: ${error.message}`, { cause: error })
  }
}

/** What joins the open transaction may not begin again by itself: the whole of it must. */
class OvertakenError extends Error {}

/** A database whose transactions are all this one. */
function joining(tx: Transaction): Database {
  const refuse = () => Promise.reject(new Error('not inside a transaction'))
  return {
    async transaction(tenantId, work) {
      if (tenantId !== tx.caller.tenantId) throw new Error('a transaction is of one tenant')
      try {
        return await work(tx.db)
      } catch (cause) {
        throw cause instanceof StaleEpochError ? new OvertakenError('', { cause }) : cause
      }
    },
    isReachable: refuse,
    durability: refuse,
    close: refuse,
  }
}

async function rethrowingStale<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof OvertakenError ? error.cause : error
  }
}

/** Whose key it is: what is asked for one is not what is asked for another, though the same acts for both. */
function askerOf(caller: Caller): string {
  return caller.kind === 'identity' ? actingOf(caller).join(' for ') : actorOf(caller)
}

/** Returns false when the key is there already; waits for one who is just using it. */
async function insertKey(tx: Transaction, { operation, key }: Asked, digest: Buffer): Promise<boolean> {
  await sweep(tx)
  const { rows } = await sql`
    insert into idempotency_keys (tenant_id, caller, operation, key, request_digest, expires_at)
    values (${toUuid(tx.caller.tenantId)}, ${askerOf(tx.caller)}, ${operation.id}, ${key}, ${digest},
      ${addSeconds(tx.clock.now(), keptSeconds)})
    on conflict (tenant_id, caller, operation, key) do update
      set request_digest = excluded.request_digest, response = null, expires_at = excluded.expires_at
      where idempotency_keys.expires_at <= ${tx.clock.now()}
    returning key`.execute(tx.db)
  return rows.length > 0
}

/** Most expired keys that one request sweeps, beside others who do the same. */
const sweptMax = 100

async function sweep(tx: Transaction): Promise<void> {
  await sql`
    delete from idempotency_keys where (tenant_id, caller, operation, key) in (
      select tenant_id, caller, operation, key from idempotency_keys
      where tenant_id = ${toUuid(tx.caller.tenantId)} and expires_at <= ${tx.clock.now()}
      limit ${sweptMax} for update skip locked)`.execute(tx.db)
}

async function firstAnswer(tx: Transaction, { operation, key }: Asked, digest: Buffer): Promise<unknown> {
  const { rows } = await sql<{ request_digest: Buffer; response: unknown }>`
    select request_digest, response from idempotency_keys
    where tenant_id = ${toUuid(tx.caller.tenantId)} and caller = ${askerOf(tx.caller)}
      and operation = ${operation.id} and key = ${key}`.execute(tx.db)
  const [first] = rows
  if (!first || !equalDigests(first.request_digest, digest))
    throw new Problem('idempotency-mismatch', 'this Idempotency-Key came with another request before; use a new one')
  if (first.response === null)
    throw new Problem('already-exists', 'this was done before; its answer held a secret, which is told only once')
  return first.response
}

async function keepResponse(tx: Transaction, { operation, key }: Asked, response: unknown): Promise<void> {
  await sql`
    update idempotency_keys set response = ${JSON.stringify(response)}::jsonb
    where tenant_id = ${toUuid(tx.caller.tenantId)} and caller = ${askerOf(tx.caller)}
      and operation = ${operation.id} and key = ${key}`.execute(tx.db)
}

function holdsSecret({ secrets = [] }: Operation, response: unknown): boolean {
  return secrets.some((field) => typeof response === 'object' && response !== null && field in response)
}
