import type { StatusReference } from '../status-list.ts'
import { BiscuitError } from './errors.ts'

/** RFC 7800: the key that a presenter must prove to hold, by its thumbprint. */
export type Confirmation = { readonly jkt: string } | { readonly 'x5t#S256': string }

/**
 * One right. `type` and `action` may be `*`. Without `idPattern` every id is meant; with a `*` at its end, every id
 * that begins so.
 */
export interface Right {
  readonly type: string
  readonly idPattern?: string | undefined
  readonly action: string
}

/** What the issuer says in the authority block. Times are whole seconds. */
export interface AuthorityFacts {
  readonly issuer: string
  readonly audience: string
  readonly tenant: string
  readonly agent: string
  readonly parent?: string | undefined
  readonly session: string
  readonly task?: string | undefined
  readonly rights: readonly Right[]
  /** Types that a right on `*` does not reach. */
  readonly reservedTypes?: readonly string[] | undefined
  readonly issuedAt: Date
  readonly expiresAt: Date
  readonly confirmation?: Confirmation | undefined
  /** Where a status list says whether the token was revoked, for who asks nobody about it. */
  readonly statusList?: StatusReference | undefined
}

/** How a right names ids in Datalog, where a missing value cannot be written. */
export type RightKind = 'any' | 'exact' | 'prefix'

export function isRightKind(text: string | undefined): text is RightKind {
  return text === 'any' || text === 'exact' || text === 'prefix'
}

/** A right as it stands in the token. */
export interface RightTerms {
  readonly type: string
  readonly kind: RightKind
  readonly id: string
  readonly action: string
}

/** Takes a right apart for Datalog. */
export function termsOf({ type, idPattern, action }: Right): RightTerms {
  if (idPattern === undefined || idPattern === '*') return { type, kind: 'any', id: '', action }
  if (idPattern.endsWith('*')) return { type, kind: 'prefix', id: idPattern.slice(0, -1), action }
  return { type, kind: 'exact', id: idPattern, action }
}

/** The right that these terms stand for. */
export function rightOf({ type, kind, id, action }: RightTerms): Right {
  if (kind === 'any') return { type, action }
  return { type, idPattern: kind === 'prefix' ? `${id}*` : id, action }
}

/** A confirmation in Datalog: which member of `cnf` it is, and its value. */
export function termsOfKey(confirmation: Confirmation): { member: string; thumbprint: string } {
  return 'jkt' in confirmation
    ? { member: 'jkt', thumbprint: confirmation.jkt }
    : { member: 'x5t#S256', thumbprint: confirmation['x5t#S256'] }
}

/**
 * Refuses what could not be read back. The library prints texts as they are, a quotation mark within them too, so
 * that what ends a text, a name or a line must not stand inside one.
 */
export function requireWritable(facts: AuthorityFacts): void {
  const { issuer, audience, tenant, agent, parent = '-', session, task = '-', rights, reservedTypes = [] } = facts
  const { uri, idx } = facts.statusList ?? { uri: '-', idx: 0 }
  const texts = [issuer, audience, tenant, agent, parent, session, task, uri, ...confirmationTexts(facts.confirmation)]
  if (!texts.every((text) => isLine(text) && text !== '')) throw invalid('a fact is empty or holds a control character')
  if (!rights.every(isRight)) throw invalid('a right is not of the form that can be written')
  if (!reservedTypes.every((type) => typePattern.test(type))) throw invalid('a reserved type is no type')
  if (!Number.isSafeInteger(idx) || idx < 0) throw invalid('a place in a status list is no index')
  if (!(facts.issuedAt < facts.expiresAt)) throw invalid('the token would expire before it is issued')
}

/** A type of resources, or all of them. */
const typePattern = /^(?:\*|[\w.-]+)$/

function isRight({ type, idPattern = '*', action }: Right): boolean {
  const isPattern = isLine(idPattern) && /^[^*]*\*?$/.test(idPattern) && idPattern !== ''
  return typePattern.test(type) && isPattern && isLine(action) && /^\S+$/u.test(action)
}

/** Well-formed, and nothing that breaks a line. */
function isLine(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text)
}

function confirmationTexts(confirmation: Confirmation | undefined): string[] {
  return confirmation ? Object.values(termsOfKey(confirmation)) : []
}

function invalid(message: string): BiscuitError {
  return new BiscuitError('invalid-facts', message)
}
