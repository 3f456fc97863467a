import { confirmCreation, type Creation, listCreations } from '@agent-iam/contract/creations'
import { pageRowsMax } from '@agent-iam/contract/pages'
import { AgentIamError, call } from '@agent-iam/sdk'
import type { LocalState } from '@agent-iam/sdk/local'
import { readAllPages } from '../pages.ts'
import { takeUpSession } from '../person-session.ts'
import { printable, table } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'

/** Lists what applications, keys and exchanged tokens made for the person, and what ends with them. */
export async function creationsList(world: World, state: LocalState): Promise<ExitCode> {
  const creations = await readCreations(world, state)
  if (creations.length === 0) world.out('nothing: no application, key or token made anything for you that lives\n')
  else world.out(table(['NAME', 'ID', 'KIND', 'MADE BY', 'MADE AT'], creations.map(row)))
  return exitCodes.ok
}

/** Lets one of them stand by itself. The password, from `AGENT_IAM_PASSWORD` or asked for, shows that the person is there. */
export async function creationsConfirm(
  world: World,
  state: LocalState,
  { id, expires }: { readonly id: string; readonly expires?: string },
): Promise<ExitCode> {
  const params = readParams(id)
  const end = readEnd(expires)
  const person = await takeUpSession(world, state)
  const password = world.env['AGENT_IAM_PASSWORD'] || (await world.askHidden('Password: '))
  const body = { proof: { type: 'password' as const, password }, ...(end !== undefined && { expiresAt: end }) }
  await person.run((connection) => call(connection, confirmCreation, { params, body }))
  world.out(`confirmed ${printable(id)}: it no longer ends with what made it\n`)
  return exitCodes.ok
}

async function readCreations(world: World, state: LocalState): Promise<Creation[]> {
  const person = await takeUpSession(world, state)
  return readAllPages(async (cursor) => {
    const query = { limit: pageRowsMax, ...(cursor !== null && { cursor }) }
    const { creations: rows, nextCursor } = await person.run((connection) => call(connection, listCreations, { query }))
    return { rows, nextCursor }
  })
}

function readParams(id: string) {
  const read = confirmCreation.params?.safeParse({ creationId: id })
  if (read?.success) return read.data
  throw new AgentIamError(`${printable(id)} is no id of a creation; \`agent-iam creations list\` shows the ids`)
}

/** Undefined: the end that it has; null: none. */
function readEnd(expires: string | undefined): string | null | undefined {
  if (expires === undefined) return undefined
  if (expires === 'never') return null
  const at = Date.parse(expires)
  if (!Number.isNaN(at)) return new Date(at).toISOString()
  throw new AgentIamError(`--expires is an instant, as 2030-01-31T12:00:00Z, or never`)
}

function row({ name, creationId, kind, source, createdAt }: Creation): string[] {
  return [name, creationId, kinds[kind], source.name ?? methods[source.method], createdAt]
}

const kinds = {
  agent: 'agent',
  service: 'service',
  secret: 'client secret',
  apiKey: 'API key',
  enrolmentToken: 'enrolment token',
  client: 'OAuth client',
} as const satisfies Record<Creation['kind'], string>

const methods = {
  oauth: 'an OAuth client',
  'api-key': 'an API key',
  'token-exchange': 'an exchanged token',
} as const satisfies Record<Creation['source']['method'], string>
