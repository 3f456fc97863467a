import * as contract from '@agent-iam/contract/mail'
import { route, type Route } from '../../platform/route.ts'
import { pageMessages, type MessageView, type Postman } from './service.ts'

/** With the text of messages where nobody delivers them. */
export function mailRoutes(postman: Postman): Route[] {
  return [
    route(contract.listMessages, async (ctx, { query }) => {
      const { rows, nextCursor } = await pageMessages(ctx, query, { withText: !postman.delivers })
      return { messages: rows.map(toWire), nextCursor }
    }),
  ]
}

function toWire({ message, content }: MessageView): contract.Message {
  return {
    messageId: message.id,
    purpose: message.purpose,
    status: message.status,
    attempts: message.attempts,
    createdAt: message.createdAt.toISOString(),
    expiresAt: message.expiresAt.toISOString(),
    finishedAt: message.finishedAt?.toISOString() ?? null,
    recipient: content?.to ?? null,
    subject: content?.subject ?? null,
    text: content?.text ?? null,
  }
}
