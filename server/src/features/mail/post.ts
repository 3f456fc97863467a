import { addSeconds } from '../../platform/clock.ts'
import type { Transaction } from '../../platform/context.ts'
import type { Tenant } from '../tenants/model.ts'
import { getTenant } from '../tenants/service.ts'
import { sealContent } from './envelope.ts'
import { requireHeadersSafe, type Letter } from './model.ts'
import { insertMessage } from './store.ts'

/** Puts a letter into the outbox; it goes out once the transaction is committed. */
export async function enqueueLetter(tx: Transaction, { purpose, expiresAt, ...content }: Letter): Promise<void> {
  requireHeadersSafe(content)
  const id = tx.newId('message')
  await insertMessage(tx, {
    id,
    purpose,
    status: 'queued',
    attempts: 0,
    createdAt: tx.clock.now(),
    expiresAt,
    finishedAt: undefined,
    sealed: sealContent(tx, id, content),
  })
}

/** What every letter needs to know. */
export interface Sender {
  readonly publicUrl: string
  readonly tenant: Pick<Tenant, 'name' | 'slug'>
}

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

/** How a letter calls the tenant that it comes from. */
export function nameOf({ name }: Sender['tenant']): string {
  return `${name} (Agent IAM)`
}

/** The text of a letter. */
export function paragraphs(...texts: string[]): string {
  return `${texts.join('\n\n')}\n`
}
