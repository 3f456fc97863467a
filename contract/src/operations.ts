import * as agents from './agents.ts'
import * as audit from './audit.ts'
import * as auth from './auth.ts'
import * as authorization from './authorization.ts'
import * as enrolmentTokens from './enrolment-tokens.ts'
import type { Operation } from './operation.ts'
import * as policies from './policies.ts'
import * as setup from './setup.ts'
import * as signingKeys from './signing-keys.ts'
import * as system from './system.ts'

/** The whole API by group, in the order of the documentation. */
export const operationGroups: ReadonlyArray<{ readonly title: string; readonly operations: readonly Operation[] }> = [
  { title: 'Agents', operations: collect(agents) },
  { title: 'Authentication', operations: collect(auth) },
  { title: 'Authorization', operations: collect(authorization) },
  { title: 'Policies', operations: collect(policies) },
  { title: 'Audit', operations: collect(audit) },
  { title: 'Enrolment tokens', operations: collect(enrolmentTokens) },
  { title: 'Signing keys', operations: collect(signingKeys) },
  { title: 'Setup', operations: collect(setup) },
  { title: 'System', operations: collect(system) },
]

/** Every operation of the API. An endpoint that is not here does not exist. */
export const operations: readonly Operation[] = operationGroups.flatMap((group) => group.operations)

function collect(module: Record<string, unknown>): Operation[] {
  return Object.values(module).filter(isOperation)
}

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'path' in value && 'response' in value && 'example' in value
}
