export {
  Agent,
  type CheckContext,
  type DelegateOptions,
  type MintedBiscuit,
  type MintOptions,
  type ReportErrorListener,
  type Resource,
} from './agent.ts'
export {
  type AuditFault,
  type AuditVerdict,
  type DifferenceSource,
  type DifferencesPage,
  type KeptHead,
  type LeafSource,
  type LeavesPage,
  verifyAuditLog,
  type VerifyOptions,
} from './audit-verifier.ts'
export { type BiscuitRequest, Biscuits, type BiscuitsOptions, type PublishedBiscuits } from './biscuits.ts'
export { call, type Connection, normaliseServer } from './call.ts'
export { type Client, connect } from './connect.ts'
export type { Clock } from './clock.ts'
export {
  AgentIamError,
  CredentialsError,
  DeniedError,
  RefusedError,
  type StatusFault,
  StatusUnknownError,
  UnexpectedAnswerError,
  UnreachableError,
  UnsafeChallengeError,
} from './errors.ts'
export { secure, type SecureOptions } from './secure.ts'
export { type StatusListOptions, StatusListVerifier, type TokenStatus } from './status-list-verifier.ts'
export type { Restriction } from '@agent-iam/standards/biscuit/attenuate'
export type { BiscuitAnswer } from '@agent-iam/standards/biscuit/authorize'
export { BiscuitError, type BiscuitErrorCode } from '@agent-iam/standards/biscuit/errors'
export type { AuthorityFacts, Confirmation, Right } from '@agent-iam/standards/biscuit/facts'
export type { VerifiedBiscuit } from '@agent-iam/standards/biscuit/verify'
export type { Decision, DecisionReason } from '@agent-iam/contract/authorization'
