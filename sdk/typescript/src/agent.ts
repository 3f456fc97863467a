import { check, type Decision, reportResult, type ResourceReference } from '@agent-iam/contract/authorization'
import { mintBiscuit } from '@agent-iam/contract/biscuits'
import type { AgentId } from '@agent-iam/contract/ids'
import type { Json } from '@agent-iam/contract/json'
import { freeTextCharactersMax } from '@agent-iam/contract/text'
import type { z } from 'zod'
import type { AgentSession } from './agent-session.ts'
import { call } from './call.ts'
import type { Clock } from './clock.ts'
import { AgentIamError, DeniedError } from './errors.ts'

/** What a policy may look at beyond who, what and where. */
export type CheckContext = Readonly<Record<string, Json>>

/** What is acted on: `type`, `type/id`, or both apart where a type or an id could be mistaken. */
export type Resource = z.input<typeof ResourceReference>

/** What a child is made with. */
export interface DelegateOptions {
  /** What it may do: each within what this agent, and all who lend it authority, hold. */
  readonly capabilities: readonly string[]
  /** What it is made for, in words of your own; shown and recorded, and it grants nothing. */
  readonly taskId?: string
  readonly taskScope?: string
  /** A minute to a day, and no longer than this agent lives. Default: an hour, or what is left. */
  readonly ttlSeconds?: number
  /** Default: `worker`. */
  readonly type?: string
  readonly metadata?: Readonly<Record<string, Json>>
}

export interface MintOptions {
  /** What the token may do. Default: all that the session may. */
  readonly capabilities?: readonly string[]
  /** A minute to a day, and no longer than the session. Default: an hour. */
  readonly expiresInSeconds?: number
}

/** A Biscuit, and what it may do until when. */
export type MintedBiscuit = z.output<typeof mintBiscuit.response>

/** Told when an action ran but its result could not be reported. */
export type ReportErrorListener = (error: Error) => void

/** Longest duration that a report may tell: a day, as long as a decision can be reported. */
const durationMsMax = 86_400_000

/** An agent that has proved who it is. Made by `secure`, or by another agent's `delegate`. */
export class Agent {
  readonly id: AgentId
  readonly name: string
  readonly #session: AgentSession
  readonly #clock: Clock
  readonly #onReportError: ReportErrorListener
  #closed = false

  constructor(
    { id, name }: { readonly id: AgentId; readonly name: string },
    session: AgentSession,
    clock: Clock,
    onReportError: ReportErrorListener,
  ) {
    this.id = id
    this.name = name
    this.#session = session
    this.#clock = clock
    this.#onReportError = onReportError
  }

  /** Asks whether the agent may do something. Allow and deny are both answers, and both are on record. */
  async check(action: string, resource: Resource, context: CheckContext = {}): Promise<Decision> {
    this.#requireOpen()
    return this.#session.run((connection) => call(connection, check, { body: { action, resource, context } }))
  }

  /**
   * Asks, runs `fn` only if allowed, and reports how it ended. A deny throws `DeniedError`; what `fn` throws is
   * thrown on after it is reported. A report that fails never changes the outcome.
   *
   * @example
   * const text = await agent.performAction('read', 'file/docs/guide.md', () => readFile('docs/guide.md', 'utf8'))
   */
  async performAction<T>(
    action: string,
    resource: Resource,
    fn: (decision: Decision) => T | Promise<T>,
    { context }: { readonly context?: CheckContext } = {},
  ): Promise<T> {
    const decision = await this.check(action, resource, context)
    if (!decision.allowed) throw new DeniedError(action, resource, decision)
    const startedAt = this.#clock.now().getTime()
    let result: T
    try {
      result = await fn(decision)
    } catch (error) {
      await this.#report(decision, startedAt, { outcome: 'failure', error: reportableText(error) })
      throw error
    }
    await this.#report(decision, startedAt, { outcome: 'success' })
    return result
  }

  /**
   * Makes a child agent for a task, which may do less than this one. It has a key of its own, in the memory of this
   * process only, and works like any other: it checks, acts and delegates.
   *
   * The child goes on when this agent is closed here: close it as well, or let its time end. It stops when this agent is
   * stopped at the server. Children that live at once need a name each. Asking for more than this agent may hand on is a
   * `RefusedError`, code `capability-exceeded`, which names the excess.
   *
   * @example
   * const reader = await agent.delegate('summarise-q3', { capabilities: ['file/docs/q3/*:read'], ttlSeconds: 600 })
   * const text = await reader.performAction('read', 'file/docs/q3/plan.md', () => readFile('docs/q3/plan.md', 'utf8'))
   */
  async delegate(name: string, { capabilities, ...options }: DelegateOptions): Promise<Agent> {
    this.#requireOpen()
    const { session, ...child } = await this.#session.delegate({ name, ...options, capabilities: [...capabilities] })
    return new Agent(child, session, this.#clock, this.#onReportError)
  }

  /**
   * A Biscuit of this session: a token that you narrow offline, with `Biscuits`, before you hand it on. It is bound to
   * this agent's key where the session is, and ends with the session, so `close` ends it too.
   *
   * @example
   * const { token } = await agent.mintBiscuit({ capabilities: ['file/docs/*:read'], expiresInSeconds: 600 })
   * const narrowed = await new Biscuits({ issuer }).attenuate(token, { resourcePrefix: 'file/docs/q3/' })
   */
  async mintBiscuit({ capabilities, ...options }: MintOptions = {}): Promise<MintedBiscuit> {
    this.#requireOpen()
    const body = { ...options, ...(capabilities && { capabilities: [...capabilities] }) }
    return this.#session.run((connection) => call(connection, mintBiscuit, { body }))
  }

  /**
   * Gives the agent a new key and keeps it in the key file. Other processes with the old key go on, and log in with it
   * until the grace ends: a day, unless said otherwise. A child has no file, and keeps its key.
   */
  async rotateKey({ graceSeconds }: { readonly graceSeconds?: number } = {}): Promise<void> {
    this.#requireOpen()
    await this.#session.rotateKey(graceSeconds)
  }

  /**
   * Ends the session. The key stays: the next `secure` with this name is the same agent. A child's key is gone with the
   * process.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#session.end()
  }

  #requireOpen(): void {
    if (this.#closed) throw new AgentIamError(`the agent ${this.name} is closed`)
  }

  async #report({ decisionId }: Decision, startedAt: number, end: ActionEnd): Promise<void> {
    const elapsedMs = this.#clock.now().getTime() - startedAt
    // A clock may be set while the action runs.
    const durationMs = Math.min(Math.max(elapsedMs, 0), durationMsMax)
    try {
      await this.#session.run((connection) =>
        call(connection, reportResult, { params: { decisionId }, body: { ...end, durationMs } }),
      )
    } catch (error) {
      this.#onReportError(new AgentIamError(`the result of ${decisionId} could not be reported`, { cause: error }))
    }
  }
}

type ActionEnd = { readonly outcome: 'success' } | { readonly outcome: 'failure'; readonly error: string }

/** As much of an error as a report may hold. */
function reportableText(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll('\u0000', '\ufffd').slice(0, freeTextCharactersMax).toWellFormed()
}
