import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Operation } from '@agent-iam/contract/operation'
import type { ProblemCode } from '@agent-iam/contract/problems'
import { aKey, type TestAgent } from './agents.ts'
import type { Input } from './test-api.ts'
import type { TestServer } from './test-server.ts'

export interface Given {
  readonly server: TestServer
  readonly admin: string
  readonly agent: TestAgent
  readonly agentToken: string
}

export type Case = readonly [
  name: string,
  code: ProblemCode,
  detail: RegExp,
  operation: Operation,
  make: (given: Given) => Promise<Input> | Input,
]

export const pem = (key: KeyObject) =>
  key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }).toString()
export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const ed25519 = generateKeyPairSync('ed25519')
export const otherKey = aKey()
