import type { Decision } from '@agent-iam/contract/authorization'
import type { AgentId } from '@agent-iam/contract/ids'
import { AgentIamError, type Client, connect, RefusedError, UnreachableError } from '@agent-iam/sdk'
import { allowedPrefix } from './people.ts'

/** A decision as its caller got it. */
export interface Acknowledged extends Pick<Decision, 'decision' | 'decisionId' | 'record'> {
  readonly resource: string
  readonly answeredAt: number
}

/** Who asks, and for whom when not for itself. */
export interface Asker {
  readonly url: string
  readonly token: string
  readonly agentId?: AgentId
}

/** How many questions each asker has on their way at a time: enough that commits hold several. */
export const questionsAtOnce = 4
/** A caller that cannot reach the server, or is refused, waits a moment before it asks again. */
const pauseMs = 20
/** Decisions that do not come within this do not come at all. */
const waitMsMax = 60_000

/** Agents that keep asking what they may do, over connections that stay open; allowed and denied by turns. */
export class Load {
  readonly acknowledged: Acknowledged[] = []
  readonly registered: AgentId[] = []
  /** Answers that were refusals, by code. */
  readonly refusals = new Map<string, number>()
  /** What no answer should be. */
  readonly surprises: string[] = []
  /** When each question was asked that got no answer. */
  readonly unanswered: number[] = []
  #isStopped = false
  #asked = 0
  readonly #running: Promise<void>[]

  constructor(askers: readonly Asker[], administrator?: Client) {
    this.#running = askers.flatMap((asker) => Array.from({ length: questionsAtOnce }, () => this.#keepAsking(asker)))
    if (administrator) this.#running.push(this.#keepRegistering(administrator))
  }

  /** Asks nothing more, and waits for what is on its way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#running)
  }

  /** Waits for so many more decisions; throws when they do not come in time. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count
    await this.#until(() => this.acknowledged.length >= wanted, `${count} decisions more`)
  }

  /** Waits for a decision of this kind, from now on. */
  async next(decision: Decision['decision']): Promise<void> {
    const from = this.acknowledged.length
    await this.#until(() => this.acknowledged.slice(from).some((answer) => answer.decision === decision), decision)
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + waitMsMax
    while (!isThere()) {
      if (performance.now() > deadline) throw new Error(`waited ${waitMsMax} ms in vain for ${what}`)
      await pause()
    }
  }

  async #keepAsking({ url, token, agentId }: Asker): Promise<void> {
    const client = connect({ server: url, token })
    while (!this.#isStopped) {
      const number = this.#asked++
      const resource = number % 3 === 2 ? `file/secrets/${number}` : `${allowedPrefix}${number}`
      await this.#answer(async () => {
        const { decision, decisionId, record } = await client.authorization.check({
          body: { resource, action: 'read', ...(agentId && { agentId }) },
        })
        this.acknowledged.push({ decision, decisionId, record, resource, answeredAt: performance.now() })
      })
    }
  }

  async #keepRegistering(client: Client): Promise<void> {
    while (!this.#isStopped) {
      await this.#answer(async () => {
        const name = `under-load-${crypto.randomUUID()}`
        this.registered.push((await client.agents.register({ body: { name } })).agentId)
      })
      await pause()
    }
  }

  async #answer(ask: () => Promise<void>): Promise<void> {
    const askedAt = performance.now()
    try {
      await ask()
    } catch (error) {
      this.#count(error, askedAt)
      await pause()
    }
  }

  #count(error: unknown, askedAt: number): void {
    if (error instanceof UnreachableError) this.unanswered.push(askedAt)
    else if (error instanceof RefusedError) this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1)
    else if (error instanceof AgentIamError) this.surprises.push(error.message)
    else throw error
  }
}

/** What a caller does that was refused, or not answered. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseMs))
}
