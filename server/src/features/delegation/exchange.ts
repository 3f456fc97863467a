/**
 * Token exchange (RFC 8693): a service or an agent trades another's token for one that it uses in its own name. Who acts is taken from the client that proved itself and from our records of who acted before, never from
 * what is presented. Resource, scope and life of the new token lie within the old one's, and it ends with that.
 */
import type { AgentId, IdentityId, ServiceId } from '@agent-iam/contract/ids'
import { inTransaction, type Confirmation, type Context, type Transaction } from '../../platform/context.ts'
import { isId } from '../../platform/ids.ts'
import { recordAlone, recordEvent } from '../audit/service.ts'
import { isLabel } from '../capabilities/model.ts'
import { firstNotHeld } from '../capabilities/service.ts'
import { knownResource, ownResource } from '../clients/service.ts'
import { findAgent } from '../identities/service.ts'
import { findClient } from '../services/service.ts'
import { tokenExchangeMethod } from '../sessions/model.ts'
import { boundKey, openSession } from '../sessions/service.ts'
import { accessTokenSeconds } from '../tokens/model.ts'
import {
  actClaim,
  actorsMax,
  ExchangeRefused,
  lentEntries,
  lentScopes,
  narrowScopes,
  type Actor,
  type ExchangeRefusal,
  type SubjectSession,
  type Target,
  type Wanted,
} from './model.ts'
import { loadSubject, readSubjectToken, type ShownToken } from './subject-token.ts'

export interface Exchange extends Wanted {
  /** The client that proved itself with this request. */
  readonly clientId: string
  readonly subjectToken: string
}

export interface Exchanged {
  readonly identityId: IdentityId
  readonly sessionId: string
  readonly act: Actor | undefined
  readonly resource: Target
  readonly scopes: readonly string[]
  readonly seconds: number
}

/**
 * Opens the session of an exchanged token, bound to the key that the request proves, if any. Throws `ExchangeRefused`;
 * the refusal is then an event of the tenant.
 */
export async function exchangeToken(ctx: Context, exchange: Exchange): Promise<Exchanged> {
  try {
    const { clientId } = exchange
    if (!isId('service', clientId) && !isId('agent', clientId)) throw new ExchangeRefused('client-is-no-identity')
    const shown = await readSubjectToken(ctx, exchange.subjectToken)
    const { exchanged, presentVersion } = await inTransaction(ctx, (tx) => begin(tx, exchange, { clientId, shown }))
    // Its key may have been revoked since this instance looked.
    if (presentVersion !== shown.keysVersion) await readSubjectToken(ctx, exchange.subjectToken, presentVersion)
    return exchanged
  } catch (error) {
    if (error instanceof ExchangeRefused) await recordRefusal(ctx, exchange, error.reason)
    throw error
  }
}

interface Presented {
  readonly clientId: ServiceId | AgentId
  readonly shown: ShownToken
}

async function begin(
  tx: Transaction,
  wanted: Exchange,
  { clientId, shown }: Presented,
): Promise<{ exchanged: Exchanged; presentVersion: number }> {
  const { subject, boundTo, presentVersion } = await loadSubject(tx, shown)
  const confirmation = await boundKey(tx)
  await requireRelation(tx, clientId, { subject, isPossessed: isSameKey(boundTo, confirmation) })
  const { resource, scopes, ...at } = await lend(tx, subject, wanted)
  const actors = nextActors(subject, clientId)
  const seconds = Math.min(accessTokenSeconds, shown.exp - Math.floor(tx.clock.now().getTime() / 1000))
  const { sessionId } = await openSession(tx, subject.identityId, {
    method: tokenExchangeMethod,
    clientId,
    confirmation,
    ...at,
    parentId: subject.id,
    delegator: subject.delegator,
    actors,
    seconds,
    notAfter: new Date(shown.exp * 1000),
  })
  recordEvent(tx, {
    type: 'token.exchanged',
    actor: clientId,
    authentication: { session: sessionId, client: clientId },
    chain: [subject.identityId, ...actors],
    resource: `agent-iam/sessions/${sessionId}`,
    data: { resource: resource.resource, scopes: [...scopes], from: subject.id },
  })
  const { identityId } = subject
  return { exchanged: { identityId, sessionId, act: actClaim(actors), resource, scopes, seconds }, presentVersion }
}

/** What is lent of a session: its scope and what is noted, and who it is for. */
interface Lending {
  readonly resource: Target
  readonly scopes: readonly string[]
  readonly scope: string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly attenuation: string | undefined
}

async function lend(tx: Transaction, subject: SubjectSession, wanted: Wanted): Promise<Lending> {
  const target = wanted.resource ?? subject.audience
  return target === ownResource(tx) ? lendHere(target, subject, wanted.scopes) : lendElsewhere(tx, subject, wanted)
}

/** For our own API: capability entries, by which each decision intersects the subject's rights with the actors'. */
function lendHere(target: string, subject: SubjectSession, asked: readonly string[] | undefined): Lending {
  if (subject.audience !== target) throw new ExchangeRefused('resource-not-granted')
  const scopes = lentEntries(asked, subject.entries)
  if (!scopes) throw new ExchangeRefused('scope-not-granted')
  const { attenuation } = subject
  return { resource: { resource: target, scopes }, scopes, scope: scopes, metadata: {}, attenuation }
}

async function lendElsewhere(tx: Transaction, subject: SubjectSession, wanted: Wanted): Promise<Lending> {
  // A resource server evaluates no blocks of ours.
  if (subject.attenuation !== undefined) throw new ExchangeRefused('resource-not-granted')
  const resource = await findTarget(tx, subject, wanted.resource)
  const lent = lentScopes(subject, await reachable(tx, subject.identityId, resource))
  if (!lent) throw new ExchangeRefused('resource-not-granted')
  const scopes = narrowScopes(wanted.scopes, lent)
  if (!scopes) throw new ExchangeRefused('scope-not-granted')
  const metadata = { audience: resource.resource, scope: scopes.join(' ') }
  // At our own API it may do nothing: it is for the resource server.
  return { resource, scopes, scope: [], metadata, attenuation: undefined }
}

/**
 * Whose token a client may exchange: one that was issued to it, one of its owner's, and one for a resource server that it
 * speaks for. A token that is bound to a key also takes that key, but for the resource server, which has seen the proof.
 */
async function requireRelation(
  tx: Transaction,
  clientId: ServiceId | AgentId,
  { subject, isPossessed }: { subject: SubjectSession; isPossessed: boolean },
): Promise<void> {
  const audience = await knownResource(tx, subject.audience)
  if (audience?.introspectedBy.includes(clientId)) return
  const isHolder = subject.clientId === clientId || (await isOwnedBy(tx, clientId, subject))
  if (!isHolder || !isPossessed) throw new ExchangeRefused('not-for-this-client')
}

/** An agent acts for its owner where the owner itself hands it the token: nothing that was lent already. */
async function isOwnedBy(tx: Transaction, clientId: ServiceId | AgentId, subject: SubjectSession): Promise<boolean> {
  const isOwnLogin = subject.clientId === subject.identityId && subject.actors.length === 0
  const agent = isId('agent', clientId) && isOwnLogin ? await findAgent(tx, clientId) : undefined
  return agent?.owner === subject.identityId
}

function isSameKey(bound: Confirmation | undefined, proved: Confirmation | undefined): boolean {
  return bound === undefined || JSON.stringify(bound) === JSON.stringify(proved)
}

async function findTarget(tx: Transaction, subject: SubjectSession, wanted: string | undefined): Promise<Target> {
  const resource = await knownResource(tx, wanted ?? subject.audience)
  if (!resource) throw new ExchangeRefused('resource-unknown')
  return resource
}

/** A machine's own login reaches the scopes that it holds or was given; a person's, what the person may hand on: all. */
async function reachable(tx: Transaction, identityId: IdentityId, target: Target): Promise<Target> {
  if (isId('user', identityId)) return target
  const given = isId('service', identityId) ? ((await findClient(tx, identityId))?.defaultScopes ?? []) : []
  const scopes: string[] = []
  for (const scope of target.scopes)
    if (given.includes(scope) || (!isLabel(scope) && !(await firstNotHeld(tx, identityId, [scope])))) scopes.push(scope)
  return { ...target, scopes }
}

/** Who acts already makes the chain no longer; nor does who narrows its own token. */
function nextActors({ actors, identityId }: SubjectSession, clientId: IdentityId): readonly IdentityId[] {
  if ((actors.at(-1) ?? identityId) === clientId) return actors
  if (actors.length >= actorsMax) throw new ExchangeRefused('chain-too-long')
  return [...actors, clientId]
}

async function recordRefusal(ctx: Context, { clientId, resource }: Exchange, reason: ExchangeRefusal): Promise<void> {
  const isKnown = isId('service', clientId) || isId('agent', clientId)
  await recordAlone(ctx, {
    type: 'token.exchange-refused',
    ...(isKnown && { actor: clientId, authentication: { client: clientId } }),
    decision: 'deny',
    reasons: [reason],
    data: { clientId, ...(resource !== undefined && { resource }) },
  })
}
