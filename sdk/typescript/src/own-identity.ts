import type { AgentId } from '@agent-iam/contract/ids'
import type { AgentKey } from './agent-key.ts'
import type { RegisteredKey } from './key-file.ts'

/** An agent's own identity: who it is, where, and the key that proves it. */
export interface OwnIdentity {
  readonly agentId: AgentId
  /** The only issuer whose challenges the key signs. */
  readonly issuer: string
  readonly key: AgentKey
  /** Where the key is kept; undefined: only in this process, which it does not outlive. */
  readonly kept: KeptKey | undefined
}

/** An identity that the next run of the program has again. */
export interface KeptIdentity extends OwnIdentity {
  readonly kept: KeptKey
}

interface KeptKey {
  readonly file: string
  /** What the file holds. */
  readonly stored: RegisteredKey
}
