import type { Outcome } from './evaluator.ts'
import type { Overrun } from './large-sets.ts'
import type { PolicyFacts } from './policy-facts.ts'
import type { PolicySet } from './selection.ts'
import { digestOf, PolicyIndex } from './slices.ts'

/** Policies whose facts are kept apart from any set, so that a changed set is read only where it changed. */
const factsMax = 20_000

/** How the syntax trees of some policies are read. */
type Read = (set: PolicySet, texts: readonly string[]) => Promise<Outcome<PolicyFacts[]> | Overrun>

/** The index of each set, made once for as long as somebody holds the set. */
export class PolicyIndexes {
  readonly #read: Read
  readonly #ready = new WeakMap<PolicySet, PolicyIndex>()
  readonly #coming = new WeakMap<PolicySet, Promise<Outcome<PolicyIndex> | Overrun>>()
  readonly #facts = new Map<string, PolicyFacts>()

  constructor(read: Read) {
    this.#read = read
  }

  find(set: PolicySet): PolicyIndex | undefined {
    return this.#ready.get(set)
  }

  /** Of those who ask at once one reads, and all have what it gave. */
  async make(set: PolicySet): Promise<Outcome<PolicyIndex> | Overrun> {
    const coming = this.#coming.get(set) ?? this.#make(set)
    this.#coming.set(set, coming)
    try {
      return await coming
    } finally {
      this.#coming.delete(set)
    }
  }

  async #make(set: PolicySet): Promise<Outcome<PolicyIndex> | Overrun> {
    const digests = set.policies.map(({ cedar }) => digestOf(cedar))
    const texts = new Map(set.policies.map(({ cedar }, place) => [digests[place] ?? '', cedar]))
    const facts = new Map([...texts.keys()].flatMap((digest) => this.#known(digest)))
    const unread = [...texts].filter(([digest]) => !facts.has(digest))
    const outcome = await this.#read(
      set,
      unread.map(([, text]) => text),
    )
    if (outcome.type !== 'answered') return outcome
    for (const [place, read] of outcome.answer.entries()) facts.set(unread[place]?.[0] ?? '', read)
    for (const [digest, each] of facts) this.#keep(digest, each)

    const known = set.policies.flatMap((policy, place) => {
      const digest = digests[place] ?? ''
      const each = facts.get(digest)
      return each ? [{ policy, digest, facts: each }] : []
    })
    if (known.length !== set.policies.length) throw new Error('not every policy of the set was read')
    const index = new PolicyIndex(known)
    this.#ready.set(set, index)
    return { type: 'answered', answer: index }
  }

  #known(digest: string): [string, PolicyFacts][] {
    const facts = this.#facts.get(digest)
    return facts ? [[digest, facts]] : []
  }

  #keep(digest: string, facts: PolicyFacts): void {
    this.#facts.delete(digest)
    const [oldest] = this.#facts.keys()
    if (oldest !== undefined && this.#facts.size >= factsMax) this.#facts.delete(oldest)
    this.#facts.set(digest, facts)
  }
}
