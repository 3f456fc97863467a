import { z } from 'zod'
import { idSchema } from './ids.ts'
import { operation } from './operation.ts'
import { nextCursor, pageQuery } from './pages.ts'
import { Instant } from './text.ts'

export const messageStatuses = ['queued', 'delivered', 'expired', 'failed'] as const
export const MessageStatus = z.enum(messageStatuses)
export type MessageStatus = z.infer<typeof MessageStatus>

export const Message = z.object({
  messageId: idSchema('message'),
  /** What it is for, such as `password-reset`. */
  purpose: z.string(),
  status: MessageStatus,
  /** How often its delivery was tried. */
  attempts: z.int(),
  createdAt: Instant,
  expiresAt: Instant,
  finishedAt: Instant.nullable(),
  /** Null once it was delivered, has expired or was refused for good: nothing of it is kept. */
  recipient: z.string().nullable(),
  /** Shown where the server has no mail server to deliver to, so that an administrator can hand it on; else null. */
  subject: z.string().nullable(),
  text: z.string().nullable(),
})
export type Message = z.infer<typeof Message>

export const listMessages = operation({
  id: 'listMessages',
  method: 'GET',
  path: '/api/v1/admin/outbox',
  // No `:read`, which a viewer has: who reads a mailed link can use it.
  action: 'outbox:open',
  summary: 'Lists mail, newest first. Where there is no mail server, its text too, and the look is on record.',
  query: z.strictObject({ ...pageQuery, status: MessageStatus.optional() }),
  status: 200,
  response: z.object({ messages: z.array(Message), nextCursor }),
  problems: ['forbidden'],
  example: { query: { limit: 20 } },
})
