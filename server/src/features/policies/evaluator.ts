import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarRequest } from './cedar-json.ts'
import { loadCedar, type Cedar } from './cedar-instance.ts'
import { readFacts, UnreadablePolicy, type PolicyFacts } from './policy-facts.ts'
import { Slots } from './slots.ts'

/** Texts that are prepared together. */
export interface Part {
  /** Undefined: it is asked once, and not kept. */
  readonly key: string | undefined
  /** Of each text, in the whole that the parts make. */
  readonly places: readonly number[]
  /** Undefined: it may be there already, else the outcome is `wanting`. */
  readonly texts: readonly string[] | undefined
}

/** What several parts say together; a policy is known by its place in the whole. */
export interface Answer {
  readonly decision: 'allow' | 'deny'
  readonly reasons: readonly number[]
  readonly errors: readonly { readonly place: number; readonly message: string }[]
}

export type Stage = 'prepare' | 'decide'

export type Outcome<T> =
  | { readonly type: 'answered'; readonly answer: T }
  | { readonly type: 'wanting' }
  | { readonly type: 'refused' | 'trapped'; readonly stage: Stage; readonly cause: string }

interface EvaluatorOptions {
  readonly slotsMax: number
  readonly charactersMax: number
  readonly load?: (() => Cedar) | undefined
}

/**
 * The library in one thread: an instance, and what it has prepared. A trap leaves the instance unusable for everyone, so it
 * is replaced before the next question.
 */
export class Evaluator {
  readonly #options: EvaluatorOptions
  #cedar: Cedar | undefined
  #slots: Slots

  constructor(options: EvaluatorOptions) {
    this.#options = options
    this.#cedar = this.#load()
    this.#slots = this.#emptySlots()
  }

  holds(key: string): boolean {
    return this.#slots.find(key) !== undefined
  }

  read(texts: readonly string[]): Outcome<PolicyFacts[]> {
    return this.#guard(() => ({ type: 'answered', answer: texts.map((text) => readFacts(this.#instance(), text)) }))
  }

  /** What is prepared may give way before it is asked. */
  prepare(parts: readonly Part[]): Outcome<'prepared'> {
    return this.#guard(() => {
      for (const part of parts) this.#prepared(part)
      return { type: 'answered', answer: 'prepared' }
    })
  }

  decide(parts: readonly Part[], request: CedarRequest): Outcome<Answer> {
    let stage: Stage = 'prepare'
    return this.#guard(
      () => {
        const answers: PartAnswer[] = []
        for (const part of parts) {
          stage = 'prepare'
          const name = this.#prepared(part)
          if (name === undefined) return { type: 'wanting' }
          stage = 'decide'
          const answer = this.#instance().statefulIsAuthorized({ ...request, preparsedPolicySetId: name })
          if (answer.type === 'failure') return { type: 'refused', stage, cause: messagesOf(answer.errors) }
          answers.push(toPartAnswer(answer, part.places))
        }
        return { type: 'answered', answer: together(answers) }
      },
      () => stage,
    )
  }

  /** Lets go of the library and all it prepared. */
  close(): void {
    this.#cedar = undefined
    this.#slots = this.#emptySlots()
  }

  /** The name under which a part lies; undefined when it does not, and its texts were not given. */
  #prepared({ key, texts }: Part): string | undefined {
    const name = key === undefined ? undefined : this.#slots.find(key)
    if (name !== undefined || !texts) return name
    if (key !== undefined) return this.#slots.fill(key, texts)
    this.#prepare(passing, texts)
    return passing
  }

  #prepare(name: string, texts: readonly string[]): void {
    // Known to the library by their places: a tenant's own ids could collide with others, or be `__proto__`.
    const staticPolicies = Object.fromEntries(texts.map((text, place) => [`${place}`, text]))
    const answer = this.#instance().preparsePolicySet(name, { staticPolicies })
    if (answer.type === 'failure') throw new UnreadablePolicy(messagesOf(answer.errors))
  }

  #guard<T>(ask: () => Outcome<T>, stage: () => Stage = () => 'prepare'): Outcome<T> {
    try {
      return ask()
    } catch (error) {
      if (error instanceof UnreadablePolicy) return { type: 'refused', stage: stage(), cause: error.message }
      // Whatever is thrown out of the instance skipped its own clean-up: it is not to be used again.
      this.#cedar = this.#load()
      this.#slots = this.#emptySlots()
      return { type: 'trapped', stage: stage(), cause: error instanceof Error ? error.message : 'it threw no error' }
    }
  }

  #instance(): Cedar {
    return (this.#cedar ??= this.#load())
  }

  #load(): Cedar {
    return (this.#options.load ?? loadCedar)()
  }

  #emptySlots(): Slots {
    return new Slots(this.#options, (name, texts) => this.#prepare(name, texts))
  }
}

/** The name for what is not kept. */
const passing = 'passing'

interface PartAnswer extends Answer {
  readonly isForbidden: boolean
}

function toPartAnswer({ response }: AuthorizationAnswer & { type: 'success' }, places: readonly number[]): PartAnswer {
  const { decision, diagnostics } = response
  const placeOf = (name: string) => {
    const place = places[Number(name)]
    if (place === undefined) throw new Error(`the library named a policy that is not in the set: ${name}`)
    return place
  }
  return {
    decision,
    isForbidden: decision === 'deny' && diagnostics.reason.length > 0,
    reasons: diagnostics.reason.map(placeOf),
    errors: diagnostics.errors.map(({ policyId, error }) => ({ place: placeOf(policyId), message: error.message })),
  }
}

/**
 * The answer of all parts as one set: what is forbidden by any is, with the forbids of all for reasons; else what is permitted
 * by any. Nothing in one policy's evaluation depends on another.
 */
function together(answers: readonly PartAnswer[]): Answer {
  const errors = answers.flatMap((answer) => answer.errors)
  const forbidding = answers.filter(({ isForbidden }) => isForbidden)
  if (forbidding.length > 0) return { decision: 'deny', reasons: forbidding.flatMap(({ reasons }) => reasons), errors }

  const permitting = answers.filter(({ decision }) => decision === 'allow')
  return {
    decision: permitting.length > 0 ? 'allow' : 'deny',
    reasons: permitting.flatMap(({ reasons }) => reasons),
    errors,
  }
}

function messagesOf(errors: readonly { readonly message: string }[]): string {
  return errors.map(({ message }) => message).join('; ')
}
