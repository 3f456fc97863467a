/**
 * Rows that requests without authentication create are bounded: in one hour so many for one address and for one tenant,
 * whatever the rows are. The counts are in the database, so that they hold for all instances. What creates a row counts it
 * in the transaction that inserts it: a row that is not there does not count.
 *
 * An hour after the first row of an address its count begins anew. The rows live no longer than that, so at most twice the
 * bound are there at any time. One busy address does not use up the tenant: the first few rows of each address
 * are counted in a share of the tenant that nobody else uses.
 */
import { addressNetwork, addressSite } from '../../platform/address-network.ts'
import type { Transaction } from '../../platform/context.ts'
import { hmacSha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { countAttempt, sweepAttempts, type AttemptLimit } from './store/attempts.ts'

/** The longest that such a row is of use: to log in and to consent. */
export const anonymousRowSeconds = 3600
/** Networks' worth of rows that an IPv6 site has: it could take another /64 for each row otherwise. */
const networksPerSite = 10
/** Rows of one address that do not depend on what other addresses do: several logins. */
const reservedRows = 10

/** Counts a row that is about to be inserted, or was in this transaction. Throws `too-many-attempts` beyond the bounds. */
export async function countAnonymousRow(tx: Transaction): Promise<void> {
  const { anonymousRowsPerAddress: perAddress, anonymousRowsPerTenant: perTenant } = tx.settings
  const { address } = tx.caller
  const site = addressSite(address)
  const count = await countIn(tx, `network ${addressNetwork(address)}`, perAddress)
  if (site !== undefined) await countIn(tx, `site ${site}`, perAddress * networksPerSite)
  await countIn(tx, count <= reservedRows ? 'tenant, reserved' : 'tenant', perTenant)
  await sweepAttempts(tx)
}

async function countIn(tx: Transaction, place: string, max: number): Promise<number> {
  const key = { account: digestOf(tx, 'anonymous rows'), place: digestOf(tx, place) }
  const limit: AttemptLimit = { max, windowSeconds: anonymousRowSeconds }
  const counted = await countAttempt(tx, key, limit)
  if ('count' in counted) return counted.count
  const retryAfterSeconds = Math.max(1, Math.ceil((counted.until.getTime() - tx.clock.now().getTime()) / 1000))
  throw new Problem(
    'too-many-attempts',
    `too many requests without authentication from here; try again in ${retryAfterSeconds} seconds`,
    { retryAfterSeconds },
  )
}

/** A digest that only we can make, so that the table shows no addresses. */
function digestOf({ sealer }: Transaction, text: string): Buffer {
  return hmacSha256(sealer.derive('anonymous rows'), text)
}
