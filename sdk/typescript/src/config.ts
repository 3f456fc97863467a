import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { normaliseServer } from './call.ts'
import { CredentialsError } from './errors.ts'
import { readPrivateFile } from './private-file.ts'

/** Where a server listens unless told otherwise. */
export const defaultServer = 'http://localhost:9000'

type Environment = Readonly<Record<string, string | undefined>>

const ServerEntry = z.object({
  issuer: z.string(),
  tenantId: z.string(),
  tenant: z.string(),
  enrolmentToken: z.string(),
  expiresAt: z.string(),
})
/** What a server on this machine left for its clients. */
export type ServerEntry = z.infer<typeof ServerEntry>

const CredentialsFile = z.object({ version: z.literal(1), servers: z.record(z.string(), ServerEntry) })

/** Which server to use, and where its keys and tokens lie on this machine. */
export interface LocalState {
  readonly server: string
  /** The tenant's short name: the one asked for, else the one that the server's entry names, else `default`. */
  readonly tenant: string
  readonly credentialsFile: string
  /** The folder that holds the credentials file, and beside it agents' keys and sessions. */
  readonly directory: string
  /** What the server left in the credentials file, if it runs on this machine. */
  readonly entry: ServerEntry | undefined
  /** An enrolment token given by the environment. */
  readonly enrolmentToken: string | undefined
}

export interface LocalStateOptions {
  readonly server?: string | undefined
  readonly tenant?: string | undefined
  readonly credentialsDir?: string | undefined
  readonly env?: Environment | undefined
}

/** Finds the server: the one given, else `AGENT_IAM_URL`, else the only one in the credentials file, else the default. */
export async function readLocalState(options: LocalStateOptions = {}): Promise<LocalState> {
  const env = options.env ?? process.env
  const credentialsFile = locateCredentials(options.credentialsDir, env)
  const servers = await readServers(credentialsFile)
  const server = chooseServer(options.server ?? (env['AGENT_IAM_URL'] || undefined), servers, credentialsFile)
  const entry = servers.get(server)
  return {
    server,
    tenant: options.tenant ?? entry?.tenant ?? 'default',
    credentialsFile,
    directory: dirname(credentialsFile),
    entry: options.tenant === undefined || options.tenant === entry?.tenant ? entry : undefined,
    enrolmentToken: env['AGENT_IAM_ENROLMENT_TOKEN'] || undefined,
  }
}

/** The folder of one server's and tenant's files of a kind: the address itself may hold what a path may not. */
export function serverFolder(state: LocalState, kind: 'agents' | 'sessions'): string {
  const digest = createHash('sha256').update(state.server).digest('hex').slice(0, 16)
  return join(state.directory, kind, digest, state.tenant)
}

function locateCredentials(credentialsDir: string | undefined, env: Environment): string {
  if (credentialsDir !== undefined) return join(credentialsDir, 'credentials.json')
  if (env['AGENT_IAM_CREDENTIALS']) return env['AGENT_IAM_CREDENTIALS']
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'agent-iam', 'credentials.json')
}

async function readServers(file: string): Promise<Map<string, ServerEntry>> {
  const text = await readPrivateFile(file)
  if (text === undefined) return new Map()
  const { servers } = parseFile(file, text, CredentialsFile)
  return new Map(Object.entries(servers).map(([server, entry]) => [normaliseServer(server), entry]))
}

/** Reads what a file of ours holds, or says which file is broken. */
export function parseFile<S extends z.ZodType>(file: string, text: string, schema: S): z.output<S> {
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw new CredentialsError(
      file,
      `${file} is not a file that this version can read; repair it or move it away`,
      error,
    )
  }
}

function chooseServer(asked: string | undefined, servers: Map<string, ServerEntry>, file: string): string {
  if (asked !== undefined) return normaliseServer(asked)
  const [only, ...more] = servers.keys()
  if (only === undefined || servers.has(defaultServer)) return defaultServer
  if (more.length === 0) return only
  const names = [...servers.keys()].join(', ')
  throw new CredentialsError(file, `${file} knows several servers (${names}): name one, for example in AGENT_IAM_URL`)
}
