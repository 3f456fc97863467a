/** A value in Cedar's JSON spelling; extension values and references are written `{ __extn }` and `{ __entity }`. */
export type CedarJson = string | number | boolean | CedarJson[] | { [key: string]: CedarJson }

/** Names one entity: `AgentIam::Agent::"agt_…"`. */
export interface EntityUid {
  readonly type: string
  readonly id: string
}

interface Extension {
  readonly __extn: { readonly fn: string; readonly arg: string }
}

interface Reference {
  readonly __entity: EntityUid
}

/** Deep values are what makes the library trap: but for what a tenant registered, which is as deep as its type, all are flat. */
export type EntityAttribute = CedarJson | Extension | Reference

export interface Entity {
  readonly uid: EntityUid
  readonly attrs: Readonly<Record<string, EntityAttribute>>
  readonly parents: EntityUid[]
}

export interface CedarRequest {
  readonly principal: EntityUid
  readonly action: EntityUid
  readonly resource: EntityUid
  readonly context: Readonly<Record<string, CedarJson>>
  readonly entities: Entity[]
}

/** What `expiresAt` holds for an identity that does not expire; the last instant Cedar can write. */
export const neverExpires = new Date('9999-12-31T23:59:59.999Z')

/** The entity types of our namespace. */
export type EntityTypeName =
  | 'Action'
  | 'Agent'
  | 'EnrolmentToken'
  | 'Permission'
  | 'Resource'
  | 'Role'
  | 'Service'
  | 'Tenant'
  | 'User'

export function uid(type: EntityTypeName, id: string): EntityUid {
  return { type: `AgentIam::${type}`, id }
}

export function reference(type: EntityTypeName, id: string): { __entity: { type: string; id: string } } {
  return { __entity: { type: `AgentIam::${type}`, id } }
}

export function datetime(instant: Date): { __extn: { fn: string; arg: string } } {
  return { __extn: { fn: 'datetime', arg: instant.toISOString() } }
}

/** Cedar's decimals have four places at most. */
export function decimal(value: number): { __extn: { fn: string; arg: string } } {
  return { __extn: { fn: 'decimal', arg: value.toFixed(4) } }
}

/** An address, as Cedar reads it: without a zone, and IPv4 by itself. */
export function ip(address: string): { __extn: { fn: string; arg: string } } {
  return { __extn: { fn: 'ip', arg: address } }
}

export function isSameEntity(one: EntityUid, other: EntityUid): boolean {
  return one.type === other.type && one.id === other.id
}
