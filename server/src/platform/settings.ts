/** What the operator decided that use cases go by; everything else of the configuration is the assembly's. */
export interface Settings {
  /** Most live sessions of one agent; when one more begins, the oldest ends. */
  readonly sessionsPerAgent: number
  /** Whether strangers' clients may register themselves (RFC 7591). */
  readonly dynamicRegistration: boolean
  /** Requests of one agent in a minute where its tenant says nothing else; 0: any number. */
  readonly requestsPerAgent: number
  /** Requests in a minute from one address that prove nobody; 0: any number. */
  readonly requestsPerAddress: number
  /** Verdicts of policies that are kept to be given again, about 400 bytes each; 0: none. */
  readonly verdictsKept: number
  /** Base of a service that is asked about leaked passwords by the first five digits of their SHA-1; undefined: none. */
  readonly leakedPasswordsUrl: string | undefined
}

export const defaultSettings: Settings = {
  sessionsPerAgent: 10,
  dynamicRegistration: false,
  requestsPerAgent: 1000,
  requestsPerAddress: 6000,
  verdictsKept: 20_000,
  leakedPasswordsUrl: undefined,
}
