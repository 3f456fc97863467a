import type { IdentityKind } from '@agent-iam/contract/identities'
import { idPrefixes, idSchema, type Id, type IdentityId, type IdKind } from '@agent-iam/contract/ids'
import type { z } from 'zod'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

export type NewId = <Kind extends IdKind>(kind: Kind) => Id<Kind>

/** UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits, so ids sort by the time they were made. */
export function idGenerator(clock: Clock, random: Random): NewId {
  return (kind) => {
    const bytes = random(16)
    bytes.writeUIntBE(clock.now().getTime(), 0, 6)
    bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x70
    bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80
    return makeId(kind, bytes.toString('hex'))
  }
}

/** The id as the database stores it: the UUID without its prefix. */
export function toUuid(id: Id<IdKind>): string {
  const hex = id.slice(id.indexOf('_') + 1)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The id on the wire, from the UUID that the database stores. */
export function fromUuid<Kind extends IdKind>(kind: Kind, uuid: string): Id<Kind> {
  return makeId(kind, uuid.replaceAll('-', ''))
}

const schemas = new Map<IdKind, z.ZodType>()

/** Whether a text is an id of this kind. */
export function isId<Kind extends IdKind>(kind: Kind, text: string): text is Id<Kind> {
  return schemaOf(kind).safeParse(text).success
}

/** Made once: that takes longer than many questions to it. */
function schemaOf(kind: IdKind): z.ZodType {
  const schema: z.ZodType = schemas.get(kind) ?? idSchema(kind)
  schemas.set(kind, schema)
  return schema
}

/** What kind of identity an id names. */
export function kindOf(id: IdentityId): IdentityKind {
  if (isOfKind('user', id)) return 'user'
  return isOfKind('service', id) ? 'service' : 'agent'
}

function isOfKind(kind: IdentityKind, id: IdentityId): boolean {
  return id.startsWith(`${idPrefixes[kind]}_`)
}

function makeId<Kind extends IdKind>(kind: Kind, hex: string): Id<Kind> {
  return `${idPrefixes[kind]}_${hex}`
}
