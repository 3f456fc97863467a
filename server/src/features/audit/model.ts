import type { LogId } from '@agent-iam/contract/ids'
import { z } from 'zod'
import type { Authentication, DataSubject, PendingEvent } from '../../platform/context.ts'
import { encodeLeaf } from './storable.ts'

/** The version of the leaf's shape: a verifier reads it first. Logs have leaves of version 1 as well, without authentication. */
const leafVersion = 2

/** Personal fields as the leaf holds them: unreadable once the key named by `subject` is destroyed. */
export const Sealed = z.object({
  /** Whose key: an identity's id, or `month:2030-01`. */
  subject: z.string(),
  /** SHA-256 commitment to the key: AES-GCM alone would let a second key open to another text. */
  commitment: z.string(),
  /** base64: nonce, ciphertext, tag. */
  box: z.string(),
})
export type Sealed = z.infer<typeof Sealed>

/** Who acted, and on which request. */
export interface Origin {
  readonly log: LogId
  readonly actor: string
  readonly authentication: Authentication
  readonly requestId: string
  readonly traceId: string | undefined
}

/**
 * The bytes of an event: RFC 8785 JSON, stored as they are and never made anew. Throws `EventNotStorableError`. The event is
 * one that `plainEvent` returned.
 */
export function toLeaf(event: PendingEvent, origin: Origin, sealed: Sealed | null): Uint8Array {
  const actor = event.actor ?? origin.actor
  return encodeLeaf({
    v: leafVersion,
    log: origin.log,
    id: event.id,
    type: event.type,
    at: event.at.toISOString(),
    actor,
    chain: event.chain ?? [actor],
    action: event.action ?? null,
    resource: event.resource ?? null,
    decision: event.decision ?? null,
    reasons: event.reasons ?? [],
    requestId: origin.requestId,
    decisionId: event.decisionId ?? null,
    traceId: origin.traceId ?? null,
    ...toMembers(event.authentication ?? origin.authentication),
    data: event.data ?? {},
    sealed,
  })
}

function toMembers({ session, credential, client }: Authentication) {
  return { session: session ?? null, credential: credential ?? null, client: client ?? null }
}

const LeafOfVersion1 = z.object({
  v: z.literal(1),
  log: z.string(),
  id: z.string(),
  type: z.string(),
  at: z.string(),
  actor: z.string(),
  chain: z.array(z.string()),
  action: z.string().nullable(),
  resource: z.string().nullable(),
  decision: z.enum(['allow', 'deny']).nullable(),
  reasons: z.array(z.string()),
  requestId: z.string().nullable(),
  decisionId: z.string().nullable(),
  traceId: z.string().nullable(),
  data: z.record(z.string(), z.json()),
  sealed: Sealed.nullable(),
})

const authenticatedBy = {
  session: z.string().nullable(),
  credential: z.string().nullable(),
  client: z.string().nullable(),
}
const unknownAuthentication = { session: null, credential: null, client: null }

/** A leaf of any version, as one of the present version. */
const Leaf = z.union([
  LeafOfVersion1.extend({ v: z.literal(leafVersion), ...authenticatedBy }),
  LeafOfVersion1.transform((leaf) => ({ ...leaf, ...unknownAuthentication })),
])
export type Leaf = z.infer<typeof Leaf>

/** Reads stored bytes back. Throws when they are no leaf: somebody else wrote them. */
export function fromLeaf(bytes: Uint8Array): Leaf {
  return Leaf.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
}

/** The name of the key that seals for a subject at an instant. */
export function keySubject(subject: DataSubject, at: Date): string {
  return subject === 'month' ? `month:${at.toISOString().slice(0, 7)}` : subject
}
