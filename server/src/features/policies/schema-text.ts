import type { AttributesOrContext, EntityType, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs'
import { writeString } from './cedar-strings.ts'
import type { Schema } from './schema.ts'

/** A schema as Cedar writes it. It is written here, so that no tenant's words come near the engine's library. */
export function schemaText({ AgentIam: { commonTypes = {}, entityTypes, actions } }: Schema): string {
  const lines = [
    ...Object.entries(commonTypes).map(([name, type]) => `type ${name} = ${typeText(type)};`),
    ...Object.entries(entityTypes).map(([name, type]) => entityText(name, type)),
    ...Object.entries(actions).map(
      ([name, { appliesTo }]) =>
        `action ${writeString(name)} appliesTo { principal: ${listText(appliesTo?.principalTypes)}, ` +
        `resource: ${listText(appliesTo?.resourceTypes)}, context: ${typeText(appliesTo?.context)} };`,
    ),
  ]
  return `namespace AgentIam {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`
}

function entityText(name: string, type: EntityType<string>): string {
  if ('enum' in type) throw new Error('no entity of ours is enumerated')
  const parents = type.memberOfTypes ? ` in ${listText(type.memberOfTypes)}` : ''
  return `entity ${name}${parents}${type.shape ? ` = ${typeText(type.shape)}` : ''};`
}

function listText(names: readonly string[] = []): string {
  return `[${names.join(', ')}]`
}

function typeText(type: AttributesOrContext<string> | TypeOfAttribute<string> | undefined): string {
  if (!type) return '{}'
  if ('element' in type) return `Set<${typeText(type.element)}>`
  if ('attributes' in type) return recordText(type.attributes)
  if ('name' in type) return type.name
  return type.type === 'Boolean' ? 'Bool' : type.type
}

function recordText(attributes: Readonly<Record<string, TypeOfAttribute<string>>>): string {
  const members = Object.entries(attributes).map(
    ([name, type]) => `${writeString(name)}${type.required === false ? '?' : ''}: ${typeText(type)}`,
  )
  return `{ ${members.join(', ')} }`
}
