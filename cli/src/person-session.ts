import { join } from 'node:path'
import { login, refresh, type UserLogin } from '@agent-iam/contract/auth'
import { AgentIamError, call, type Connection, RefusedError } from '@agent-iam/sdk'
import { type LocalState, parseFile, readPrivateFile, replacePrivateFile, serverFolder } from '@agent-iam/sdk/local'
import { z } from 'zod'
import type { World } from './world.ts'

const Session = z.object({
  version: z.literal(1),
  server: z.string(),
  email: z.string(),
  refreshToken: z.string(),
  /** Says at the next login that this machine is known. */
  deviceToken: z.string().optional(),
})
type Session = z.infer<typeof Session>

/** Runs requests as the person who logged in, or with the token in `AGENT_IAM_TOKEN`. */
export interface Person {
  run<T>(request: (connection: Connection) => Promise<T>): Promise<T>
}

export type Login = Omit<UserLogin, 'deviceToken'>

/** Logs in a person and keeps the session on this machine, beside the credentials file. */
export async function logIn(world: World, state: LocalState, user: Login): Promise<void> {
  const known = await readSession(state)
  const deviceToken = known?.email === user.email ? known.deviceToken : undefined
  const body = { ...user, ...(deviceToken !== undefined && { deviceToken }) }
  const tokens = await call({ server: state.server, fetch: world.fetch }, login, { body })
  await keep(state, user.email, { ...tokens, deviceToken: tokens.deviceToken ?? deviceToken })
}

/** Takes up the session that `logIn` left. */
export function takeUpSession(world: World, state: LocalState): Promise<Person> {
  const connection = { server: state.server, fetch: world.fetch }
  const token = world.env['AGENT_IAM_TOKEN']
  if (token) return Promise.resolve({ run: (request) => request({ ...connection, token }) })
  return renewingPerson(connection, state)
}

async function renewingPerson(connection: Connection, state: LocalState): Promise<Person> {
  let token = await renew(connection, state)
  return {
    async run(request) {
      try {
        return await request({ ...connection, token })
      } catch (error) {
        // A long command outlives its token.
        if (!(error instanceof RefusedError && error.code === 'invalid-token')) throw error
        token = await renew(connection, state)
        return request({ ...connection, token })
      }
    },
  }
}

async function renew(connection: Connection, state: LocalState): Promise<string> {
  const { email, refreshToken, deviceToken } = await requireSession(state)
  try {
    const tokens = await call(connection, refresh, { body: { refreshToken } })
    await keep(state, email, { ...tokens, deviceToken })
    return tokens.accessToken
  } catch (error) {
    if (error instanceof RefusedError && error.problem.status === 401) throw loginNeeded(state, 'has ended', error)
    throw error
  }
}

async function requireSession(state: LocalState): Promise<Session> {
  const session = await readSession(state)
  if (!session) throw loginNeeded(state, 'is not there')
  return session
}

async function readSession(state: LocalState): Promise<Session | undefined> {
  const file = sessionFile(state)
  const text = await readPrivateFile(file)
  return text === undefined ? undefined : parseFile(file, text, Session)
}

type Kept = Pick<Session, 'refreshToken'> & { readonly deviceToken?: string | undefined }

async function keep(state: LocalState, email: string, { refreshToken, deviceToken }: Kept): Promise<void> {
  const session: Session = { version: 1, server: state.server, email, refreshToken, deviceToken }
  await replacePrivateFile(sessionFile(state), `${JSON.stringify(session, undefined, 2)}\n`)
}

function sessionFile(state: LocalState): string {
  return join(serverFolder(state, 'sessions'), 'person.json')
}

function loginNeeded({ server, tenant }: LocalState, what: string, cause?: unknown): AgentIamError {
  return new AgentIamError(
    `the session at ${server}, tenant ${tenant}, ${what}: run \`agent-iam login\`, or set AGENT_IAM_TOKEN`,
    { cause },
  )
}
