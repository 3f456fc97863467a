import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { login } from '@agent-iam/contract/auth'
import { createPolicy } from '@agent-iam/contract/policies'
import { completeSetup, setupPage } from '@agent-iam/contract/setup'
import { AgentIamError, call } from '@agent-iam/sdk'
import { type LocalState, readLocalState } from '@agent-iam/sdk/local'
import { logIn } from '../person-session.ts'
import { printable } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'
import { auditVerify } from './audit-verify.ts'

const example = fileURLToPath(new URL('../../../examples/guarded-files/src/main.ts', import.meta.url))

const policy = {
  name: 'drafts stay closed',
  description: 'Nobody reads what is not finished, whatever else permits it.',
  policy:
    'forbid(principal, action == AgentIam::Action::"read", resource)\n' +
    '  when { resource.type == "file" && resource.id like "docs/drafts/*" };',
}

interface Stage {
  readonly world: World
  readonly state: LocalState
  /** What the server and the example get of the environment: nothing that could lead to real data. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Runs the main job from an empty folder: start, set up, register, decide, record, verify; then cleans up. */
export async function demo(world: World): Promise<ExitCode> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-demo-'))
  const home = process.cwd()
  // A configuration file in the present folder could name a real database.
  process.chdir(folder)
  try {
    return await runIn(folder, world)
  } finally {
    process.chdir(home)
    await rm(folder, { recursive: true, force: true })
  }
}

async function runIn(folder: string, world: World): Promise<ExitCode> {
  const env = {
    PATH: world.env['PATH'],
    AGENT_IAM_PORT: '0',
    AGENT_IAM_DATA: join(folder, 'data'),
    AGENT_IAM_CREDENTIALS: join(folder, 'credentials.json'),
    AGENT_IAM_LOG_LEVEL: 'warn',
  }
  const { start } = await import('@agent-iam/server/start')
  heading(world, 'A server starts, with data and credentials in a temporary folder')
  const server = await start({ env, quiet: true })
  try {
    tell(world, server.url)
    const state = await readLocalState({ server: server.url, env })
    return await play({ world, state, env }, server.setupLink)
  } finally {
    await server.close()
  }
}

async function play(stage: Stage, setupLink: string | undefined): Promise<ExitCode> {
  const { world } = stage
  heading(world, 'A person opens the setup link and chooses a password')
  const { email, password } = await finishSetup(stage, setupLink)

  heading(world, 'An agent makes a key, registers, logs in, and wants to read files')
  await runExample(stage)

  heading(world, 'The administrator adds a policy, in force at once; the same agent runs again, with its key')
  await addPolicy(stage, { email, password })
  await runExample(stage)

  heading(world, 'The administrator verifies the audit log')
  await logIn(world, stage.state, { email, password, tenant: stage.state.tenant })
  const code = await auditVerify({ ...world, out: (text) => world.out(indent(text)) }, stage.state, { from: 0 })
  if (code === exitCodes.ok) world.out('\nDone. The server and its data are gone again.\n')
  return code
}

/** As a browser would: the page first, then its form, with the token from behind the link's `#`. */
async function finishSetup({ world, state }: Stage, link: string | undefined) {
  if (link === undefined) throw new AgentIamError('the server made no setup link')
  const connection = { server: state.server, fetch: world.fetch }
  const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token') ?? ''
  await call(connection, setupPage)
  const password = randomBytes(18).toString('base64url')
  const answer = await call(connection, completeSetup, { body: { token, email: 'admin@example.com', password } })
  const tenants = answer.accounts.map(({ tenant, role }) => `${role} of ${tenant}`)
  tell(world, `${answer.email} is now ${tenants.join(' and ')}`)
  tell(world, answer.notice)
  return { email: answer.email, password }
}

async function addPolicy({ world, state }: Stage, user: { email: string; password: string }): Promise<void> {
  const connection = { server: state.server, fetch: world.fetch }
  const { accessToken } = await call(connection, login, { body: { ...user, tenant: state.tenant } })
  const { name, policyId } = await call({ ...connection, token: accessToken }, createPolicy, { body: policy })
  tell(world, `${policyId} “${name}”`)
  world.out(indent(`${policy.policy}\n\n`))
}

/** The example is a program of its own, as a developer would run it. */
async function runExample({ world, env, state }: Stage): Promise<void> {
  const seen = { ALLOW: 0, DENY: 0 }
  const child = spawn(process.execPath, ['--conditions=@agent-iam/source', example], {
    env: { ...env, AGENT_IAM_URL: state.server },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  for await (const line of createInterface({ input: child.stdout })) {
    tell(world, line)
    if (line.startsWith('ALLOW')) seen.ALLOW += 1
    if (line.startsWith('DENY')) seen.DENY += 1
  }
  const code = await ended
  if (code !== 0) throw new AgentIamError(`the example ended with ${code}`)
  if (seen.ALLOW === 0 || seen.DENY === 0)
    throw new AgentIamError(`the example should see both answers, and saw ${seen.ALLOW} allow and ${seen.DENY} deny`)
}

function heading(world: World, text: string): void {
  world.out(`\n${text}\n`)
}

function tell(world: World, line: string): void {
  world.out(`   ${printable(line)}\n`)
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '   ')
}
