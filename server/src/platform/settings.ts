/** What the operator decided that use cases go by; everything else of the configuration is the assembly's. */
export interface Settings {
  /** Most live sessions of one agent; when one more begins, the oldest ends. */
  readonly sessionsPerAgent: number
  /** Whether strangers' clients may register themselves (RFC 7591). */
  readonly dynamicRegistration: boolean
  /** Requests of one agent in a minute where its tenant says nothing else; 0: any number. */
  readonly requestsPerAgent: number
  /** The same of one person, one service, all API keys of one owner, and one enrolment token. */
  readonly requestsPerUser: number
  readonly requestsPerService: number
  readonly requestsPerApiKey: number
  readonly requestsPerEnrolmentToken: number
  /** Bytes that each of those requests may add to the log, on average over a minute at its full rate; 0: any number. */
  readonly logBytesPerRequest: number
  /** Requests in a minute from one address that prove nobody; 0: any number. */
  readonly requestsPerAddress: number
  /** Rows in an hour that requests without authentication may create, from one address and in one tenant. */
  readonly anonymousRowsPerAddress: number
  readonly anonymousRowsPerTenant: number
  /** Logins of one account in an hour: from known devices, and from elsewhere. */
  readonly loginsPerAccount: number
  /** Verdicts of policies that are kept to be given again, about 400 bytes each; 0: none. */
  readonly verdictsKept: number
  /** Base of a service that is asked about leaked passwords by the first five digits of their SHA-1; undefined: none. */
  readonly leakedPasswordsUrl: string | undefined
}

export const defaultSettings: Settings = {
  sessionsPerAgent: 10,
  dynamicRegistration: false,
  requestsPerAgent: 1000,
  requestsPerUser: 1200,
  requestsPerService: 30_000,
  requestsPerApiKey: 1200,
  requestsPerEnrolmentToken: 600,
  logBytesPerRequest: 2048,
  requestsPerAddress: 6000,
  anonymousRowsPerAddress: 1000,
  anonymousRowsPerTenant: 20_000,
  loginsPerAccount: 100,
  verdictsKept: 20_000,
  leakedPasswordsUrl: undefined,
}
