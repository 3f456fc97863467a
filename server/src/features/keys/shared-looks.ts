/**
 * Lets many who ask at once share one look at the database. A look that has begun already may have seen the state before
 * the question, so who comes while it is under way waits for the next.
 */
export class SharedLooks<Subject, Sight> {
  readonly #look: (subject: Subject) => Promise<Sight>
  readonly #underWay = new Map<Subject, { current: Promise<Sight>; next: Promise<Sight> | undefined }>()

  constructor(look: (subject: Subject) => Promise<Sight>) {
    this.#look = look
  }

  /** What a look saw that began after this call. */
  take(subject: Subject): Promise<Sight> {
    const found = this.#underWay.get(subject)
    if (!found) return this.#begin(subject)
    const begin = () => this.#begin(subject)
    return (found.next ??= found.current.then(begin, begin))
  }

  #begin(subject: Subject): Promise<Sight> {
    const current = this.#look(subject)
    const place = { current, next: undefined }
    this.#underWay.set(subject, place)
    const end = () => {
      if (this.#underWay.get(subject) === place && place.next === undefined) this.#underWay.delete(subject)
    }
    void current.then(end, end)
    return current
  }
}
