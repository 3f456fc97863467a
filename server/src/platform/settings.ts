/** What the operator decided that use cases go by; everything else of the configuration is the assembly's. */
export interface Settings {
  /** Most live sessions of one agent; when one more begins, the oldest ends. */
  readonly sessionsPerAgent: number
  /** Whether strangers' clients may register themselves (RFC 7591). */
  readonly dynamicRegistration: boolean
}

export const defaultSettings: Settings = { sessionsPerAgent: 10, dynamicRegistration: false }
