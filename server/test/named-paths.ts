import { expect } from 'vitest'
import type { TestAgent } from './agents.ts'
import type { TestServer, TestUser } from './test-server.ts'

/** What a row of the table may use: who is there already, and an agent that is logged in. */
export interface Ground {
  readonly server: TestServer
  readonly admin: string
  readonly user: TestUser
  readonly agent: TestAgent
  readonly agentToken: string
}

export interface Asked {
  readonly token?: string
  readonly query?: string
  readonly id?: string
  readonly body?: unknown
}

export interface NamedPath {
  /** Which document names it, and by what path. */
  readonly source: 'prd' | 'report' | 'aim' | 'issue'
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH'
  readonly path: string
  /** The request, with the body as it is shown there. */
  readonly ask: (ground: Ground) => Asked | Promise<Asked>
  readonly status: 200 | 201
  /** The fields that the answer is shown with; of a field with a value, that one. */
  readonly fields: Readonly<Record<string, unknown>>
}

export const text: unknown = expect.any(String)
export const seconds: unknown = expect.any(Number)

/** Something with these fields among others. */
export const having = (fields: object): unknown => expect.objectContaining(fields)

/** A list with this among others. */
export const listing = (one: unknown): unknown => expect.arrayContaining([one])
