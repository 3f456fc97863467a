import type { LocalState } from '@agent-iam/sdk/local'
import { logIn } from '../person-session.ts'
import { printable } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'

/** Logs in a person. The password comes from `AGENT_IAM_PASSWORD` or is asked for, never from the command line. */
export async function login(world: World, state: LocalState, options: { email?: string }): Promise<ExitCode> {
  const email = options.email ?? (await world.ask('Email: '))
  const password = world.env['AGENT_IAM_PASSWORD'] || (await world.askHidden('Password: '))
  await logIn(world, state, { email, password, tenant: state.tenant })
  world.out(`logged in at ${state.server} as ${printable(email)}, tenant ${state.tenant}\n`)
  return exitCodes.ok
}
