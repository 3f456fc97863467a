/**
 * The directory: users, services and agents as one kind of thing. It has no rules of its own: what is done to an identity
 * is done by the verb of its kind, authorised as `users:…`, `services:…` or `agents:…`, with that verb's events. What it
 * adds is one view, one list, and a bulk of many changes, each its own transaction.
 */
export { bulkIdentities, requireBulkSender, type BulkResult } from './bulk.ts'
export { deleteAgent, revokeAgent } from './agents.ts'
export { deleteIdentity, reactivateIdentity, revokeIdentity, suspendIdentity, verifyIdentity } from './life.ts'
export { getIdentity, pageIdentities } from './listing.ts'
export { createIdentity, updateIdentity } from './making.ts'
