import type { TenantId } from '@agent-iam/contract/ids'
import { platformTenantId } from '@agent-iam/contract/ids'
import { tryAll } from '../../lib/try-all.ts'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { deliverySecondsMax, type Delivery, type MailTransport } from '../../platform/smtp.ts'
import { recordEvent } from '../audit/service.ts'
import { openContent } from './envelope.ts'
import { retrySecondsAfter, type Message } from './model.ts'
import {
  claimMessage,
  deleteFinished,
  expireMessages,
  findTenantsWithMail,
  finishMessage,
  postponeMessage,
} from './store.ts'

/** Whoever took a message up and vanished has it for so long: well over what a delivery takes. */
const leaseSeconds = deliverySecondsMax * 6
/** At most so many of a tenant in one round, so that each tenant has its turn. */
const perTenantMax = 50
/** How long a message that is done with is listed, without what it said. */
const listedSeconds = 30 * 86_400
const sweptMax = 100

/**
 * Delivers what waits in the outbox. A message is taken up in one transaction, sent outside of any, and finished in
 * another: so one that was sent by an instance that died before it could say so is sent again, with the same Message-ID.
 */
export class Postman {
  readonly #transport: MailTransport | undefined
  readonly #collect: (system: Context) => Promise<void>
  #round: Promise<void> | undefined
  #isClosed = false

  /** @param collect writes, at the start of each round, what could not be written when it was asked for */
  constructor(transport: MailTransport | undefined, collect: (system: Context) => Promise<void>) {
    this.#transport = transport
    this.#collect = collect
  }

  /** Whether there is a mail server; without one, messages wait in the outbox until they expire. */
  get delivers(): boolean {
    return this.#transport !== undefined
  }

  /** One round over all tenants; who asks during a round waits for that one. */
  deliver(system: Context): Promise<void> {
    this.#round ??= this.#deliver(system).finally(() => (this.#round = undefined))
    return this.#round
  }

  /** Waits for the message that is on its way; the others wait for the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#round?.catch(() => undefined)
    this.#transport?.close()
  }

  async #deliver(system: Context): Promise<void> {
    if (this.#isClosed) return
    // What cannot be written keeps nothing that was.
    await tryAll([this.#collect, (ctx: Context) => this.#visitTenants(ctx)], (step) => step(system))
  }

  async #visitTenants(system: Context): Promise<void> {
    const onlyExpired = this.#transport === undefined
    const platform = inTenant(system, platformTenantId)
    const tenants = await inTransaction(platform, (tx) => findTenantsWithMail(tx, { onlyExpired }))
    let isReachable = true
    await tryAll(tenants, async (tenantId) => {
      if (this.#isClosed) return
      const there = inTenant(system, tenantId)
      await expire(there)
      // Where the mail server is silent, every message would wait for the same time-out.
      if (this.#transport && isReachable) isReachable = await this.#deliverTo(there, this.#transport)
    })
  }

  /** Returns false when the mail server cannot be reached. */
  async #deliverTo(there: Context, transport: MailTransport): Promise<boolean> {
    for (let count = 0; count < perTenantMax && !this.#isClosed; count++) {
      const message = await inTransaction(there, (tx) => claimMessage(tx, addSeconds(tx.clock.now(), leaseSeconds)))
      if (!message) return true
      const delivery = await send(there, transport, message)
      await conclude(there, message, delivery)
      if (delivery.outcome === 'unreachable') return false
    }
    return true
  }
}

async function send(there: Context, transport: MailTransport, message: Message): Promise<Delivery> {
  const content = openContent(there, message)
  if (!content) throw new Error(`message ${message.id} was claimed without content`)
  const { hostname } = new URL(there.keys.publicUrl)
  return transport.send({ ...content, messageId: `<${message.id}@${hostname}>` })
}

async function conclude(there: Context, message: Message, delivery: Delivery): Promise<void> {
  const { id: messageId, purpose, attempts } = message
  const about = { resource: `agent-iam/outbox/${messageId}`, data: { purpose, attempts } }
  if (delivery.outcome !== 'delivered')
    there.log.warn({ messageId, purpose, attempts, ...delivery }, 'a message could not be delivered')
  await inTransaction(there, async (tx) => {
    if (delivery.outcome === 'delivered') {
      if (await finishMessage(tx, message, 'delivered')) recordEvent(tx, { type: 'message.delivered', ...about })
    } else if (delivery.outcome === 'refused') {
      if (await finishMessage(tx, message, 'failed')) recordEvent(tx, { type: 'message.failed', ...about })
    } else await postponeMessage(tx, message, addSeconds(tx.clock.now(), retrySecondsAfter(attempts)))
  })
}

async function expire(there: Context): Promise<void> {
  await inTransaction(there, async (tx) => {
    for (const { id, purpose } of await expireMessages(tx))
      recordEvent(tx, { type: 'message.expired', resource: `agent-iam/outbox/${id}`, data: { purpose } })
    await deleteFinished(tx, addSeconds(tx.clock.now(), -listedSeconds), sweptMax)
  })
}

function inTenant(system: Context, tenantId: TenantId): Context {
  return asCaller(system, { kind: 'system', tenantId, address: '' })
}
