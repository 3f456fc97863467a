/**
 * What everybody may do, computed from nothing but a list of what was done: a second opinion that shares no code with the
 * server. It is as simple as it can be: a right is one entry, held or not.
 */

/** The entries that the sequences are about. */
export const modelEntries = ['vault/x:open', 'vault/y:open'] as const
export type ModelEntry = (typeof modelEntries)[number]

/** Where a grant comes from: the identity that granted it, and the key by which that was done. */
export interface ModelSource {
  readonly agent: string | undefined
  readonly key: string | undefined
}

interface ModelGrant {
  readonly to: string
  readonly entry: ModelEntry
  readonly from: number
  readonly until: number
  readonly source: ModelSource
}

interface ModelIdentity {
  readonly id: string
  parent: string | undefined
  isStopped: boolean
  isRevoked: boolean
  readonly endsAt: number
  /** The key by which it was registered, and with which it ends. */
  key: string | undefined
}

/** All times are milliseconds since 1970; nothing ends at `never`. */
export const never = Number.POSITIVE_INFINITY

export class AuthorityModel {
  readonly #identities = new Map<string, ModelIdentity>()
  readonly #deletedKeys = new Set<string>()
  /** Whose key each is: a key of somebody who may not act gives nothing. */
  readonly #keyOwners = new Map<string, string>()
  #grants: ModelGrant[] = []

  add(id: string, facts: { parent?: string; endsAt?: number; key?: string } = {}): void {
    const { parent, endsAt = never, key } = facts
    this.#identities.set(id, { id, parent, isStopped: false, isRevoked: false, endsAt, key })
  }

  addKey(key: string, owner: string): void {
    this.#keyOwners.set(key, owner)
  }

  deleteKey(key: string): void {
    this.#deletedKeys.add(key)
  }

  /** A grant replaces another of the same entry. */
  grant(to: string, entry: ModelEntry, grant: Omit<ModelGrant, 'to' | 'entry'>): void {
    this.revoke(to, entry)
    this.#grants.push({ to, entry, ...grant })
  }

  revoke(to: string, entry: ModelEntry): void {
    this.#grants = this.#grants.filter((grant) => grant.to !== to || grant.entry !== entry)
  }

  stop(id: string, isStopped: boolean): void {
    const identity = this.#identities.get(id)
    if (identity) identity.isStopped = isStopped
  }

  end(id: string): void {
    const identity = this.#identities.get(id)
    if (identity) identity.isRevoked = true
  }

  /** Takes the key off that an agent was registered by, and off what that key granted it; the entries of those grants. */
  confirm(id: string): ModelEntry[] {
    const identity = this.#identities.get(id)
    const key = identity?.key
    if (!identity || key === undefined) throw new Error(`${id} was registered by no key`)
    identity.key = undefined
    const ofKey = (grant: ModelGrant) => grant.to === id && grant.source.key === key
    const confirmed = this.#grants.filter(ofKey).map(({ entry }) => entry)
    const byNobody = { agent: undefined, key: undefined }
    this.#grants = this.#grants.map((grant) => (ofKey(grant) ? { ...grant, source: byNobody } : grant))
    return confirmed
  }

  /**
   * Puts an agent at the root, with grants of its mover's in place of those it had. One that is in force stays as it
   * is, and with it what it rests on.
   */
  moveToRoot(id: string, entries: readonly ModelEntry[], at: number): void {
    const identity = this.#identities.get(id)
    if (identity) identity.parent = undefined
    const own = { from: 0, until: never, source: { agent: undefined, key: undefined } }
    for (const entry of modelEntries) {
      const held = this.#grants.some(
        (grant) => grant.to === id && grant.entry === entry && isInForce(grant, at) && this.#restsOnWhoActs(grant, at),
      )
      if (!entries.includes(entry)) this.revoke(id, entry)
      else if (!held) this.grant(id, entry, own)
    }
  }

  /** Whether a living source gives this right to somebody at an instant. */
  mayDo(id: string, entry: ModelEntry, at: number, within: readonly string[] = []): boolean {
    const identity = this.#identities.get(id)
    // Those who grant each other what nobody else grants them have nothing.
    if (!identity || !this.acts(id, at) || within.includes(id)) return false
    const around = [...within, id]
    const isHeld = this.#grants.some(
      (grant) => grant.to === id && grant.entry === entry && this.#stands(grant, at, around),
    )
    return isHeld && (identity.parent === undefined || this.mayDo(identity.parent, entry, at, around))
  }

  /** Whether one grant gives the right for a whole span. */
  holdsThroughout(id: string, entry: ModelEntry, { from, until }: Pick<ModelGrant, 'from' | 'until'>): boolean {
    return this.#grants.some(
      (grant) => grant.to === id && grant.entry === entry && grant.from <= from && grant.until >= until,
    )
  }

  acts(id: string, at: number): boolean {
    const identity = this.#identities.get(id)
    if (!identity || identity.isStopped || identity.isRevoked || identity.endsAt <= at) return false
    if (identity.key !== undefined && !this.#keyLives(identity.key, at)) return false
    return identity.parent === undefined || this.acts(identity.parent, at)
  }

  #keyLives(key: string, at: number): boolean {
    return !this.#deletedKeys.has(key) && this.acts(this.#keyOwners.get(key) ?? '', at)
  }

  #restsOnWhoActs({ source }: ModelGrant, at: number): boolean {
    if (source.key !== undefined && !this.#keyLives(source.key, at)) return false
    return source.agent === undefined || this.acts(source.agent, at)
  }

  #stands(grant: ModelGrant, at: number, within: readonly string[]): boolean {
    const { entry, source } = grant
    if (!isInForce(grant, at)) return false
    if (!this.#restsOnWhoActs(grant, at)) return false
    return source.agent === undefined || this.mayDo(source.agent, entry, at, within)
  }
}

function isInForce({ from, until }: ModelGrant, at: number): boolean {
  return from <= at && at < until
}
