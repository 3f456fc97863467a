import type { Clock } from '@agent-iam/sdk/local'

/** What the commands see of the machine; a test gives its own. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly fetch: typeof globalThis.fetch
  /** Whether a person reads what is put out. */
  readonly isTerminal: boolean
  out(text: string): void
  err(text: string): void
  ask(question: string): Promise<string>
  /** Asks without showing what is typed. */
  askHidden(question: string): Promise<string>
  /** Ends when the process is told to stop. */
  untilStopped(): Promise<void>
}

/** What the process ends with. 0: done, or the log is intact. */
export const exitCodes = {
  ok: 0,
  /** The command ran and its finding is bad: the log is not intact. */
  bad: 1,
  /** The command could not do its work: wrong use, no server, no session, refused. */
  failed: 2,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
