/** How long a setup link is good for: the time to find the terminal it was printed on. */
export const setupLinkSeconds = 3600

export const setupTokenPrefix = 'setup_'

/** The address a person opens. The secret stands in the fragment, which browsers send to nobody. */
export function setupLink(publicUrl: string, token: string): string {
  return `${publicUrl}/setup#token=${token}`
}

/** The secret in the address of a setup link; undefined when the text is no such address. */
export function tokenOfSetupLink(link: string): string | undefined {
  return new RegExp(`#token=(${setupTokenPrefix}[\\w-]+)$`).exec(link.trim())?.[1]
}

/**
 * What the embedded server's own enrolment token may do: enough to try things out on this machine, for a day. Its owner
 * is the administrator, who holds all of its ceiling.
 */
export const embeddedEnrolment = {
  // NOTE: the space at its end is what nobody else's token can have: the contract's `Name` refuses it. By this name a
  // start finds, and ends, the token of the start before.
  name: 'this machine ',
  allowedTypes: [],
  // NOTE: of the platform itself only this: an agent that asks for it may make children, within what it was given.
  ceiling: ['*:*', 'agent-iam/agents*:delegate'],
  quota: 100,
  ttlSeconds: 86_400,
} as const
