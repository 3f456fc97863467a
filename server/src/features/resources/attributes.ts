import { formatAttributeType, type AttributeType, type DeclaredAttribute } from '@agent-iam/contract/attribute-types'
import type { Json, OpenObject } from '@agent-iam/contract/json'
import { decimalText, extensionForms } from '../../lib/cedar-values.ts'
import type { FieldFault } from '../../platform/problem.ts'
import type { AttributeValue } from './model.ts'

type Declared = Readonly<Record<string, DeclaredAttribute>>

/** What was sent, in Cedar's words, and what of it is not as its type declares it. */
export interface ReadAttributes {
  readonly attributes: Record<string, AttributeValue>
  readonly faults: readonly FieldFault[]
}

/** Reads what a caller tells of a resource; nothing is dropped, since a forbid may depend on it. */
export function readAttributes(declared: Declared, given: OpenObject, field: string): ReadAttributes {
  const faults: FieldFault[] = []
  const attributes = readRecord(declared, given, { field, faults })
  return { attributes, faults }
}

/** Attributes as they were sent. */
export function attributesToWire(attributes: Readonly<Record<string, AttributeValue>>): Record<string, Json> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, valueToWire(value)]))
}

interface Place {
  readonly field: string
  readonly faults: FieldFault[]
}

function readRecord(declared: Declared, given: OpenObject, { field, faults }: Place): Record<string, AttributeValue> {
  const read: [string, AttributeValue][] = []
  for (const [name, value] of Object.entries(given)) {
    const type = Object.hasOwn(declared, name) ? declared[name] : undefined
    const place = { field: `${field}.${name}`, faults }
    const known = type ? readValue(type, value, place) : refuse(place, 'is not declared by the resource’s type')
    if (known !== undefined) read.push([name, known])
  }
  for (const [name, { required }] of Object.entries(declared))
    if (required && !Object.hasOwn(given, name)) refuse({ field: `${field}.${name}`, faults }, 'is required')
  return Object.fromEntries(read)
}

function readValue(type: AttributeType, value: Json, place: Place): AttributeValue | undefined {
  switch (type.type) {
    case 'String':
    case 'Boolean':
    case 'Long':
      return readScalar(type, value, place)
    case 'Extension':
      return readExtension(type, value, place)
    case 'Set':
      return Array.isArray(value) ? readSet(type.element, value, place) : refuseAs(type, place)
    case 'Record':
      return isRecord(value) ? readRecord(type.attributes, value, place) : refuseAs(type, place)
  }
}

const scalars = { String: 'string', Boolean: 'boolean', Long: 'number' } as const

function readScalar(type: { type: keyof typeof scalars }, value: Json, place: Place): AttributeValue | undefined {
  const isOfType = typeof value === scalars[type.type] && (type.type !== 'Long' || Number.isSafeInteger(value))
  return isOfType && value !== null && typeof value !== 'object' ? value : refuseAs(type, place)
}

/** A set holds each once, whatever was sent. */
function readSet(element: AttributeType, values: readonly Json[], { field, faults }: Place): AttributeValue[] {
  const read = values.map((value, n) => readValue(element, value, { field: `${field}.${n}`, faults }))
  const byText = new Map(read.filter((value) => value !== undefined).map((value) => [JSON.stringify(value), value]))
  return [...byText.values()]
}

function readExtension(
  type: Extract<AttributeType, { type: 'Extension' }>,
  value: Json,
  place: Place,
): AttributeValue | undefined {
  const fn = type.name === 'ipaddr' ? 'ip' : type.name
  const arg = fn === 'decimal' && typeof value === 'number' ? decimalText(value) : value
  if (typeof arg !== 'string' || extensionForms.get(fn)?.(arg) !== true) return refuseAs(type, place)
  return { __extn: { fn, arg } }
}

function refuseAs(type: AttributeType, place: Place): undefined {
  return refuse(place, `is no ${formatAttributeType(type)}`)
}

function refuse({ field, faults }: Place, message: string): undefined {
  faults.push({ field, message })
}

function valueToWire(value: AttributeValue): Json {
  if (Array.isArray(value)) return value.map(valueToWire)
  if (typeof value !== 'object') return value
  const extension = value['__extn']
  return isRecord(extension) ? (extension['arg'] ?? null) : attributesToWire(value)
}

function isRecord(value: Json | undefined): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
