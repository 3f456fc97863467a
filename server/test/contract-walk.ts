import { operations } from '@agent-iam/contract/operations'
import type { Operation } from '@agent-iam/contract/operation'
import { z } from 'zod'

/** A member of a request's body or query. */
export interface Field {
  readonly operation: Operation
  /** Such as `users[].name`. */
  readonly path: string
  /** The last name of the path. */
  readonly name: string
  readonly schema: z.ZodType
}

/** Every member, at any depth, of every request that the contract describes. */
export function requestFields(): Field[] {
  return operations.flatMap((operation) => {
    const parts = [operation.body, operation.query].filter((schema) => schema !== undefined)
    return parts.flatMap((schema) => [...fieldsOf(schema, operation, '')])
  })
}

function* fieldsOf(schema: z.core.$ZodType, operation: Operation, path: string): Generator<Field> {
  for (const inner of innerOf(schema)) yield* fieldsOf(inner, operation, path)
  if (schema instanceof z.ZodArray) yield* fieldsOf(schema.element, operation, `${path}[]`)
  if (schema instanceof z.ZodRecord) yield* fieldsOf(schema.valueType, operation, `${path}{}`)
  if (!(schema instanceof z.ZodObject)) return
  for (const [name, member] of Object.entries(schema.shape)) {
    const below = path === '' ? name : `${path}.${name}`
    if (member instanceof z.ZodType) yield { operation, path: below, name, schema: member }
    yield* fieldsOf(member, operation, below)
  }
}

/** The schemas that a schema only wraps. */
export function innerOf(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options
  if (schema instanceof z.ZodIntersection) return [schema.def.left, schema.def.right]
  if (schema instanceof z.ZodPipe) return [schema.in]
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  )
    return [schema.def.innerType]
  return []
}

/** Whether a schema is another, or only wraps it. */
export function isOrWraps(schema: z.core.$ZodType, wanted: z.core.$ZodType): boolean {
  return schema === wanted || innerOf(schema).some((inner) => isOrWraps(inner, wanted))
}
