import type { AuthorizerBuilder } from './bindings.ts'
import { type Confirmation, termsOfKey } from './facts.ts'
import type { BiscuitLibrary } from './library.ts'
import { memberOf, open, type PublicKeyOf } from './token.ts'

/** What is asked of a token. */
export interface BiscuitQuestion {
  readonly operation: string
  /** `type/id`, or `type` alone. The id may hold slashes itself. */
  readonly resource: string
  /** The service that asks. */
  readonly audience: string
  readonly time: Date
  /** The key that the presenter proved to hold. A token bound to a key allows nothing without it. */
  readonly confirmation?: Confirmation | undefined
  /** Ids of revoked blocks. One of them in the token denies everything. */
  readonly isRevoked?: ((revocationId: string) => boolean) | undefined
}

/** `limit` is no answer: the evaluation was not finished. `time` may be the machine's fault; the others are the token's. */
export type BiscuitAnswer =
  | { readonly type: 'allowed' }
  | { readonly type: 'denied'; readonly failed: readonly string[] }
  | { readonly type: 'limit'; readonly limit: 'facts' | 'iterations' | 'time' }

/**
 * Decides whether a token allows an operation: signatures, revocation, then every check of every block.
 *
 * NOTE: blocks are programs that whoever held the token wrote. The limits are the library's own: 1000 facts, 100 rounds,
 * and 1 ms of its clock, which `clockSlowdown` stretches; to give it smaller ones stops no token sooner. They are looked
 * at between rounds, and one round over a few facts can take a second and more: ask about strangers' tokens in a thread
 * that can be ended.
 */
export function authorize(
  library: BiscuitLibrary,
  token: string,
  publicKeyOf: PublicKeyOf,
  question: BiscuitQuestion,
): BiscuitAnswer {
  return library.use((bindings, keep) => {
    const { biscuit } = open(bindings, keep, token, publicKeyOf)
    const revoked = biscuit.getRevocationIdentifiers().filter((id) => question.isRevoked?.(id))
    if (revoked.length > 0) return { type: 'denied', failed: revoked.map((id) => `revoked: ${id}`) }
    const builder = keep(new bindings.AuthorizerBuilder())
    addQuestion(builder, question)
    return answerOf(() => keep(builder.buildAuthenticated(biscuit)).authorize())
  })
}

/**
 * Says what is asked, as facts of the authorizer, which every block sees. The checks of the token decide; the policy
 * asks for the issuer's own facts once more, so that an authority block without checks allows nothing.
 */
function addQuestion(builder: AuthorizerBuilder, question: BiscuitQuestion): void {
  const { confirmation, resource, operation, audience, time } = question
  const [type, id] = partsOf(resource)
  const asked = { operation, resource, type, id, audience, time: { date: time.toISOString() } }
  builder.addCodeWithParameters(questionCode, asked, {})
  if (confirmation) builder.addCodeWithParameters('proven_key({member}, {thumbprint});', termsOfKey(confirmation), {})
}

const questionCode = `
  time({time}); operation({operation}); requested_audience({audience});
  resource({resource}); resource_type({type}); resource_id({id});
  allow if audience({audience}), expires_at($expires_at), {time} < $expires_at, right($t, $kind, $i, $a);
`

/** The type ends at the first slash, as in a capability. */
function partsOf(resource: string): readonly [type: string, id: string] {
  const slash = resource.indexOf('/')
  return slash === -1 ? [resource, ''] : [resource.slice(0, slash), resource.slice(slash + 1)]
}

/** The library returns the number of the policy that allowed, or throws a plain object that says why none did. */
function answerOf(evaluate: () => number): BiscuitAnswer {
  try {
    evaluate()
    return { type: 'allowed' }
  } catch (error) {
    if (error instanceof Error) throw error
    const limit = limitOf(memberOf(error, 'RunLimit'))
    return limit ? { type: 'limit', limit } : { type: 'denied', failed: failedOf(error) }
  }
}

function limitOf(reason: unknown): 'facts' | 'iterations' | 'time' | undefined {
  if (reason === undefined) return undefined
  if (reason === 'TooManyFacts') return 'facts'
  return reason === 'TooManyIterations' ? 'iterations' : 'time'
}

/** The checks that failed, or, where a check could not even be computed, that one could not. */
function failedOf(error: unknown): string[] {
  const logic = memberOf(error, 'FailedLogic')
  const checks = memberOf(memberOf(logic, 'Unauthorized') ?? memberOf(logic, 'NoMatchingPolicy'), 'checks')
  const failed = Array.isArray(checks) ? checks.map((check: unknown) => checkText(memberOf(check, 'Block'))) : []
  return failed.length === 0 ? ['no policy allows it'] : failed
}

function checkText(check: unknown): string {
  return `block ${String(memberOf(check, 'block_id'))}: ${String(memberOf(check, 'rule'))}`
}
