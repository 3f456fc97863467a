/**
 * Mail: messages to people, as a transactional outbox. A message is written in the transaction that causes it, so
 * nothing is mailed that did not happen and nothing that happened stays untold; it is delivered after that, by whichever
 * instance takes it up. Recipient and content are sealed, are in no log, and are wiped when there is nothing left to do.
 */
import type { MessageStatus } from '@agent-iam/contract/mail'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { readIdCursor, toPage } from '../../platform/paging.ts'
import { recordEvent } from '../audit/service.ts'
import type { Content, Message } from './model.ts'
import { openContent } from './envelope.ts'
import { listMessages } from './store.ts'

export { enqueueLetter, nameOf, paragraphs, post, postNews, type Sender } from './post.ts'
export { Postman } from './postman.ts'

export interface MessagesQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly status?: MessageStatus | undefined
}

/** A message with what of it may be shown. */
export interface MessageView {
  readonly message: Message
  readonly content: Partial<Content> | undefined
}

/**
 * The outbox, newest first. `withText` where no mail server delivers: then an administrator hands messages on, and
 * that their secrets were looked at is on record.
 */
export async function pageMessages(
  ctx: Context,
  query: MessagesQuery,
  { withText }: { withText: boolean },
): Promise<{ rows: MessageView[]; nextCursor: string | null }> {
  return inTransaction(ctx, async (tx) => {
    await tx.authorize('outbox:open', { type: 'outbox' })
    const filter = { status: query.status, before: readIdCursor('message', query.cursor) }
    const found = await listMessages(tx, filter, query.limit + 1)
    const page = toPage(found, query.limit, ({ id }) => [id])
    const rows = page.rows.map((message) => ({ message, content: contentOf(tx, message, withText) }))
    const opened = rows.filter(({ content }) => content?.text !== undefined).map(({ message }) => message.id)
    if (opened.length > 0) recordEvent(tx, { type: 'outbox.opened', data: { messages: opened } })
    return { rows, nextCursor: page.nextCursor }
  })
}

function contentOf(tx: Transaction, message: Message, withText: boolean): Partial<Content> | undefined {
  const content = openContent(tx, message)
  return withText || content === undefined ? content : { to: content.to }
}
