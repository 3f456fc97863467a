import { AsyncLocalStorage } from 'node:async_hooks'

const scopes = new AsyncLocalStorage<TransactionScope>()

/** One transaction, over all its attempts. What is called inside it, however deep, is in its scope. */
export class TransactionScope {
  #isOpen = false

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#isOpen = true
    try {
      return await scopes.run(this, work)
    } finally {
      this.#isOpen = false
    }
  }

  get isOpen(): boolean {
    return this.#isOpen
  }
}

/** The transaction that the calling code is inside of. What was started in one and goes on after its end is outside. */
export function findOpenTransaction(): TransactionScope | undefined {
  const scope = scopes.getStore()
  return scope?.isOpen ? scope : undefined
}

/** Throws when called inside a transaction: a connection, and maybe locks, would be kept for as long as the wait takes. */
export function requireNoTransaction(work: string): void {
  if (findOpenTransaction()) throw new Error(`${work} must not wait inside a transaction: use OutsideTransaction`)
}

/**
 * A transaction needs the result of slow work. `inTransaction` rolls the transaction back, does the work, and runs the
 * transaction again, which then finds the result.
 */
export class NeededOutsideError extends Error {
  override name = 'NeededOutsideError'
  /** Does the work; the transaction must have ended. */
  readonly perform: () => Promise<void>

  constructor(perform: () => Promise<void>) {
    super('the transaction needs work that is done outside of it')
    this.perform = perform
  }
}

/**
 * Slow work that code may need inside a transaction: an evaluation, a hash, a look that waits in a queue. It is never done
 * there. What code does in the transaction must be repeatable, as for every transaction.
 */
export class OutsideTransaction<Result> {
  readonly #results = new WeakMap<TransactionScope, Map<string, { readonly result: Result }>>()

  /**
   * Does the work at once where no transaction is open. Inside one it gives the result that was obtained for this
   * transaction before, or throws `NeededOutsideError`.
   *
   * @param key the same for the same work, at every attempt of one transaction
   */
  async run(key: string, work: () => Promise<Result>): Promise<Result> {
    const scope = findOpenTransaction()
    if (!scope) return work()
    const results = this.#results.get(scope) ?? new Map<string, { readonly result: Result }>()
    this.#results.set(scope, results)
    const known = results.get(key)
    if (known) return known.result
    throw new NeededOutsideError(async () => {
      if (!results.has(key)) results.set(key, { result: await work() })
    })
  }
}

/**
 * Runs each step, and collects what the steps need from outside the transaction: the transaction runs again once for all
 * of them, not once for each.
 */
export class CollectedNeeds {
  readonly #needs: NeededOutsideError[] = []

  /** Undefined for a step that needs something. */
  async attempt<Result>(step: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof NeededOutsideError)) throw error
      this.#needs.push(error)
      return undefined
    }
  }

  /** Throws `NeededOutsideError` where a step needed something. Call it before the results of the steps are used. */
  requireNone(): void {
    const needs = [...this.#needs]
    if (needs.length === 0) return
    throw new NeededOutsideError(async () => {
      for (const { perform } of needs) await perform()
    })
  }
}
