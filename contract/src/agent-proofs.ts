/**
 * The texts that an agent's key signs. Each has a prefix of its own, so that no signature made for one purpose
 * can be used for another, and names the issuer, so that none can be used at another server.
 */

/** The text whose signature proves, at registration, that the registrant holds the private key. */
export function registrationText(issuer: string, name: string, keyThumbprint: string, issuedAt: string): string {
  return `agent-iam/registration/v1 ${issuer} ${keyThumbprint} ${issuedAt} ${JSON.stringify(name)}`
}

/** The text whose signature proves, when an agent's key is replaced, that the new private key is held. */
export function rotationText(issuer: string, agentId: string, keyThumbprint: string, issuedAt: string): string {
  return `agent-iam/key-rotation/v1 ${issuer} ${agentId} ${keyThumbprint} ${issuedAt}`
}

/** How far a proof's `issuedAt` may lie from the server's clock. */
export const registrationProofSeconds = 300

/** How long a challenge may be answered: a round trip, with room for a slow one. */
export const challengeSeconds = 60

/** What a challenge says, in the order of its words. */
export interface Challenge {
  readonly issuer: string
  readonly agentId: string
  /** ISO 8601, UTC. */
  readonly expiresAt: string
  readonly nonce: string
  /** The server's own proof that it made this text. */
  readonly mac: string
}

const prefix = 'agent-iam/challenge/v1'

/** The text an agent signs to log in. */
export function formatChallenge({ issuer, agentId, expiresAt, nonce, mac }: Challenge): string {
  return [prefix, issuer, agentId, expiresAt, nonce, mac].join(' ')
}

/** Reads a challenge; undefined when the text is anything else, so that a client signs nothing else. */
export function parseChallenge(text: string): Challenge | undefined {
  const [word, issuer, agentId, expiresAt, nonce, mac, ...rest] = text.split(' ')
  if (word !== prefix || rest.length > 0) return undefined
  if (!issuer || !agentId || !expiresAt || !nonce || !mac) return undefined
  return { issuer, agentId, expiresAt, nonce, mac }
}

/** The longest life of a login assertion (RFC 7523): it is made for one request. */
export const assertionSecondsMax = 300
