import { z } from 'zod'
import type { Context } from '../../platform/context.ts'
import type { Content, Message, MessageId } from './model.ts'

type Ctx = Pick<Context, 'sealer' | 'caller'>

const Letter = z.object({ subject: z.string(), text: z.string() })

/** Recipient and content each sealed to their own place, so that neither can be moved to another message. */
export function sealContent(ctx: Ctx, id: MessageId, { to, subject, text }: Content): NonNullable<Message['sealed']> {
  const seal = (plain: string, column: string) => ctx.sealer.seal(Buffer.from(plain), placeOf(ctx, id, column))
  return { recipient: seal(to, 'recipient'), content: seal(JSON.stringify({ subject, text }), 'content') }
}

/** Undefined once the message was wiped. */
export function openContent(ctx: Ctx, { id, sealed }: Message): Content | undefined {
  if (!sealed) return undefined
  const open = (bytes: Buffer, column: string) => ctx.sealer.open(bytes, placeOf(ctx, id, column)).toString()
  return { to: open(sealed.recipient, 'recipient'), ...Letter.parse(JSON.parse(open(sealed.content, 'content'))) }
}

function placeOf({ caller }: Ctx, id: MessageId, column: string): string {
  return `${caller.tenantId}/messages/${column}/${id}`
}
