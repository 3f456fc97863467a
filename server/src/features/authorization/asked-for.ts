import type { Decision } from '@agent-iam/contract/authorization'
import type { IdentityId, SessionId } from '@agent-iam/contract/ids'
import { actingOf, type Context, type ProtectedResource, type Transaction } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { callerOfToken } from '../biscuits/service.ts'
import { nounOf, notNarrowed, type Lent } from '../identities/model.ts'
import type { Presented } from '../policies/model.ts'
import { requireSession } from '../sessions/service.ts'
import type { ActingIdentity, Facts } from './model.ts'
import { presentedBy } from './presented.ts'
import type { AskedCheck } from './read-question.ts'
import { readFacts } from './store.ts'

/** For whom is asked. */
export interface Subject {
  /** Whose rights are intersected, who acts first; the last is the one for whom is asked. */
  readonly acting: readonly IdentityId[]
  readonly identityId: IdentityId
  /** The session that must live for the decision: the subject's own where its token was presented, else the caller's. */
  readonly sessionId: SessionId
  readonly basis: Decision['basis']
  /** The narrowing of the token; undefined where only an id was named, whose session nobody showed. */
  readonly lent?: Lent
  /** The kinds of the credential that was shown; empty where only an id was named. */
  readonly presented: readonly Presented[]
}

/** For whom is asked: the caller itself, the holder of a token presented to it, or an identity by its id. */
export async function findSubject(
  ctx: Context,
  asked: Pick<AskedCheck, 'identityId' | 'subjectToken'>,
): Promise<Subject> {
  const caller = requireSession(ctx.caller)
  if (asked.subjectToken !== undefined) return findPresented(ctx, asked.subjectToken)
  const { sessionId, identityId: self } = caller
  const { identityId = self } = asked
  if (identityId !== self) return { acting: [identityId], identityId, sessionId, basis: 'identity', presented: [] }
  const lent = { scope: caller.scope, blocks: caller.attenuation }
  const presented = presentedBy(caller)
  return { acting: actingOf(caller), identityId, sessionId, basis: 'token', lent, presented }
}

/** A token that is not good is a fault of what was sent, not of the caller's own credentials: never 401. */
async function findPresented(ctx: Context, token: string): Promise<Subject> {
  const presented = await callerOfToken(ctx, token).catch((error: unknown) => {
    throw error instanceof Problem && error.code !== 'unavailable' ? notPresentable(error.detail, error) : error
  })
  if (presented.tenantId !== ctx.caller.tenantId) throw notPresentable('it is of another issuer')
  const { identityId, sessionId, scope, attenuation: blocks } = presented
  const lent = { scope, blocks }
  return {
    acting: actingOf(presented),
    identityId,
    sessionId,
    basis: 'token',
    lent,
    presented: presentedBy(presented),
  }
}

function notPresentable(why: string, cause?: unknown): Problem {
  const errors = [{ field: 'subjectToken', message: why }]
  return new Problem('invalid-request', `subjectToken: ${why}`, { errors, cause })
}

/** The facts, with who acts. */
export interface AskedFacts extends Facts {
  readonly identity: ActingIdentity
}

/**
 * The facts of whom is asked for, narrowed as its token is. Throws `not-found` for nobody of this tenant, and unless the
 * caller may ask for it.
 */
export async function readAskedFor(tx: Transaction, subject: Subject): Promise<AskedFacts> {
  const facts = await readFacts(tx, subject.acting, subject.sessionId)
  const [identity] = facts.hops
  if (!identity) throw notFound(nounOf(subject.identityId), subject.identityId)
  if (!facts.isSessionAlive) throw endedSession(tx, subject)
  if (!isOwn(tx, subject)) await requireMayAskFor(tx, facts)
  return { ...facts, identity, lent: subject.lent ?? notNarrowed, presented: subject.presented }
}

/** Whether it is the caller’s own session that was shown: with another’s comes the question whether it may be asked for. */
export function isOwn({ caller }: Pick<Context, 'caller'>, { basis, sessionId }: Subject): boolean {
  return basis === 'token' && sessionId === requireSession(caller).sessionId
}

function endedSession({ caller }: Transaction, subject: Subject): Problem {
  if (requireSession(caller).sessionId !== subject.sessionId) return notPresentable('its session has ended')
  return new Problem('token-revoked', 'the session has ended; log in again')
}

/** Everyone may ask for itself. Whoever asks for another is authorised, which also sees that its own session lives. */
async function requireMayAskFor(tx: Transaction, { hops }: Facts): Promise<void> {
  const [identity] = hops
  if (!identity || identity.id === requireSession(tx.caller).identityId) return
  const asked = protectedOf(hops)
  await tx.authorize(`${asked.type}:check`, asked)
}

/** An identity as what somebody asks for, with who lends it authority. */
export function protectedOf([identity, ...above]: readonly ActingIdentity[]): ProtectedResource {
  if (!identity) throw new Error('nobody was asked for')
  const { id, owner } = identity
  const ancestors = above.map((each) => each.id)
  return { type: nounOf(id), id, identity: id, ancestors, ...(owner && { owner }) }
}
