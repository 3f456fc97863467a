import { AgentIamError } from '@agent-iam/sdk'
import { type LocalState, readLocalState } from '@agent-iam/sdk/local'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { agentsList, type AgentsListOptions } from './commands/agents-list.ts'
import { auditVerify } from './commands/audit-verify.ts'
import { creationsConfirm, creationsList } from './commands/creations.ts'
import { demo } from './commands/demo.ts'
import { login } from './commands/login.ts'
import { serve } from './commands/serve.ts'
import { printable } from './terminal.ts'
import { type ExitCode, exitCodes, type World } from './world.ts'

interface Place {
  readonly server?: string
  readonly tenant?: string
}

type Verb<Options> = (world: World, state: LocalState, options: Options) => Promise<ExitCode>

/** Runs a command with the state of its server on this machine. */
type WithState = <Options extends Place>(verb: Verb<Options>) => (options: unknown, command: Command) => Promise<void>

/** The same everywhere, so that what the docs show is what is seen. */
const helpColumns = 100

const exitCodeHelp =
  '\nExit codes: 0 done, or the log is intact; 1 the log is not intact; 2 the command could not do its work.'

/** Runs one command line; says what the process should end with. */
export async function run(args: readonly string[], world: World): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok
  const program = build(world, (result) => (code = result))
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.failed
    if (!(error instanceof AgentIamError)) throw error
    world.err(`agent-iam: ${printable(error.message)}\n`)
    return exitCodes.failed
  }
}

function build(world: World, end: (code: ExitCode) => void): Command {
  const program = new Command('agent-iam')
    .description('Identity and access management for AI agents')
    .option('--server <url>', 'the server; default: AGENT_IAM_URL, else the one on this machine')
    .option('--tenant <name>', 'the tenant, by its short name')
    .addHelpText('after', exitCodeHelp)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.out(text),
      writeErr: (text) => world.err(text),
      getOutHelpWidth: () => helpColumns,
      getErrHelpWidth: () => helpColumns,
    })

  const withState: WithState =
    <Options extends Place>(verb: Verb<Options>) =>
    async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const { server, tenant } = options
      end(await verb(world, await readLocalState({ server, tenant, env: world.env }), options))
    }

  program
    .command('serve')
    .description('run the server')
    .action(async () => end(await serve(world)))
  program
    .command('demo')
    .description('show the main job with a server of its own, and clean up')
    .action(async () => end(await demo(world)))
  program
    .command('login')
    .description('log in as a person; the password is asked for, or taken from AGENT_IAM_PASSWORD')
    .option('--email <address>')
    .action(withState<Place & { email?: string }>(login))
  program
    .command('agents')
    .description('look after agents')
    .command('list')
    .description('list the agents of the tenant')
    .option('--status <status>', 'only those in this status')
    .option('--json', 'a JSON document a line')
    .action(withState<Place & AgentsListOptions>(agentsList))
  addCreations(program, withState)
  program
    .command('audit')
    .description('look after the audit log')
    .command('verify')
    .description('recompute every hash of the log, and compare with the head kept from last time')
    .option('--from <sequence>', 'the entry to begin with; those before are taken on trust', parseSequence, 0)
    .action(withState<Place & { from: number }>(auditVerify))
  return program
}

function addCreations(program: Command, withState: WithState): void {
  const creations = program
    .command('creations')
    .description('list and confirm what applications, keys and tokens made for you')
  creations
    .command('list')
    .description('list what ends with the application, key or token that made it')
    .action(withState(creationsList))
  creations
    .command('confirm')
    .argument('<id>', 'from the list')
    .description('let one stand by itself; the password is asked for, or taken from AGENT_IAM_PASSWORD')
    .option('--expires <instant>', 'another end for an agent; never: none; default: the end that it has')
    .action((id: string, options: unknown, command: Command) =>
      withState<Place & { expires?: string }>((world, state, { expires }) =>
        creationsConfirm(world, state, { id, ...(expires !== undefined && { expires }) }),
      )(options, command),
    )
}

function parseSequence(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is the number of an entry, 0 or more.')
}
