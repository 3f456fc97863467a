import type { LocalState } from '@agent-iam/sdk/local'
import { RefusedError } from '@agent-iam/sdk'
import { type Login, logIn } from '../person-session.ts'
import { printable } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'

/**
 * Logs in a person. The password comes from `AGENT_IAM_PASSWORD` or is asked for, never from the command line; what else
 * the server wants is asked for as it says so.
 */
export async function login(world: World, state: LocalState, options: { email?: string }): Promise<ExitCode> {
  const email = options.email ?? (await world.ask('Email: '))
  const password = world.env['AGENT_IAM_PASSWORD'] || (await world.askHidden('Password: '))
  await logInStepByStep(world, state, { email, password, tenant: state.tenant })
  world.out(`logged in at ${state.server} as ${printable(email)}, tenant ${state.tenant}\n`)
  return exitCodes.ok
}

/** A code, a new password, or both: more than that no login wants. */
const stepsMax = 3

async function logInStepByStep(world: World, state: LocalState, user: Login, step = 1): Promise<void> {
  try {
    await logIn(world, state, user)
  } catch (error) {
    const next = step < stepsMax ? await askFor(world, user, error) : undefined
    if (!next) throw error
    await logInStepByStep(world, state, next, step + 1)
  }
}

/** The login with what was missing; undefined when that cannot be asked for, or was given already. */
async function askFor(world: World, user: Login, error: unknown): Promise<Login | undefined> {
  const code = error instanceof RefusedError ? error.code : ''
  if (code === 'second-factor-required' && !user.secondFactor) {
    const answer = (await world.ask('Code of your authenticator app, or a recovery code: ')).trim()
    const type = /^\d{6}$/.test(answer) ? ('totp' as const) : ('recovery' as const)
    return { ...user, secondFactor: { type, code: answer } }
  }
  if (code === 'password-change-required' && !user.newPassword)
    return { ...user, newPassword: await world.askHidden('The password must be changed. New password: ') }
  return undefined
}
