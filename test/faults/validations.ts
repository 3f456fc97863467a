import { connect, RefusedError } from '@agent-iam/sdk'
import { pause } from './load.ts'

/** Tokens that are shown to a server again and again, each as soon as the answer about it is there. */
export class Validations {
  readonly acceptedAt: number[] = []
  readonly refusals = new Map<string, number>()
  #isStopped = false
  readonly #running: readonly Promise<void>[]

  constructor(server: string, tokens: readonly string[]) {
    this.#running = tokens.map((token) => this.#keepShowing(server, token))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#running)
  }

  async #keepShowing(server: string, token: string): Promise<void> {
    const { auth } = connect({ server, token })
    while (!this.#isStopped) {
      try {
        await auth.validate()
        this.acceptedAt.push(performance.now())
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error
        this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1)
        await pause()
      }
    }
  }
}
