import { addSeconds } from '../../platform/clock.ts'
import type { Transaction } from '../../platform/context.ts'
import type { Letter } from '../mail/model.ts'
import { enqueueLetter } from '../mail/service.ts'
import { getTenant } from '../tenants/service.ts'
import type { Sender } from './letters.ts'

/** News is worth telling for so long. */
const newsSeconds = 86_400

/** Writes a letter in the name of the transaction's tenant. */
export async function post(tx: Transaction, write: (sender: Sender) => Letter): Promise<void> {
  await enqueueLetter(tx, write({ publicUrl: tx.keys.publicUrl, tenant: await getTenant(tx) }))
}

/** The same, of what only tells something. */
export async function postNews(
  tx: Transaction,
  to: string,
  write: (sender: Sender, about: { to: string; expiresAt: Date }) => Letter,
): Promise<void> {
  const expiresAt = addSeconds(tx.clock.now(), newsSeconds)
  await post(tx, (sender) => write(sender, { to, expiresAt }))
}
