/** A part of a value: the members of one of its lists. */
export interface ListPart {
  readonly field: string
  readonly members: readonly unknown[]
}

/** A value without its lists, and the members of these lists in parts. */
export interface ValueParts {
  readonly frame: unknown
  readonly parts: readonly ListPart[]
}

/** A list member, or the frame, that has more values than a part may have. */
export class PartTooLargeError extends Error {
  override name = 'PartTooLargeError'
}

/**
 * Divides an object by the lists among its fields, so that another thread never takes over more than so many values at the
 * same time. Throws `PartTooLargeError` when one list member or the frame is larger.
 */
export function divideValue(value: unknown, valuesMax: number): ValueParts {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    requireSmall(value, valuesMax, 'body')
    return { frame: value, parts: [] }
  }
  const fields = Object.entries(value).map(([field, member]) => ({ field, member: toUnknown(member) }))
  const frame = Object.fromEntries(fields.map(({ field, member }) => [field, Array.isArray(member) ? [] : member]))
  requireSmall(frame, valuesMax, 'body')
  const parts = fields.flatMap(({ field, member }) =>
    Array.isArray(member) ? divideList(field, member, valuesMax) : [],
  )
  return { frame, parts }
}

function toUnknown(value: unknown): unknown {
  return value
}

function divideList(field: string, list: readonly unknown[], valuesMax: number): ListPart[] {
  const parts: Array<{ field: string; members: unknown[]; values: number }> = []
  for (const [place, member] of list.entries()) {
    const values = requireSmall(member, valuesMax, `${field}.${place}`)
    const last = parts.at(-1)
    if (last && last.values + values <= valuesMax) {
      last.members.push(member)
      last.values += values
    } else parts.push({ field, members: [member], values })
  }
  return parts
}

/** Adds the members of a part to the list of the frame that they were taken from. */
export function addPart(frame: unknown, { field, members }: ListPart): void {
  const list: unknown = typeof frame === 'object' && frame !== null ? Reflect.get(frame, field) : undefined
  if (!Array.isArray(list)) throw new Error(`the frame has no list ${field}`)
  list.push(...members)
}

function requireSmall(value: unknown, valuesMax: number, place: string): number {
  const values = countValues(value, valuesMax + 1)
  if (values > valuesMax) throw new PartTooLargeError(`${place}: has more than ${valuesMax} values; send less at once`)
  return values
}

/** Counts no further than `max`. */
function countValues(value: unknown, max: number): number {
  if (typeof value !== 'object' || value === null) return 1
  let count = 1
  for (const member of Object.values(value)) {
    if (count >= max) return max
    count += countValues(member, max - count)
  }
  return count
}
