import { UserLogin } from '@agent-iam/contract/auth'
import { admitUser, openSession, proveUser } from '../../features/sessions/service.ts'
import { getTenant } from '../../features/tenants/service.ts'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { z } from 'zod'

/** What is asked for: first the password, then, where needed, a code of the second factor or a new password. */
export type LoginStep = 'password' | 'code' | 'new-password'

/** What the login page shows. */
export interface LoginState {
  readonly step: LoginStep
  readonly email: string
  /** The password that was good already, sealed, while the rest is asked for. */
  readonly ticket: string | undefined
  /** Why the last attempt did not succeed. */
  readonly fault: string | undefined
}

/** The person, and the session that this login began: the browser is logged in as long as it lives. */
export interface BrowserLogin {
  readonly accountId: string
  readonly sessionId: string
  /** Lets this browser be known again. */
  readonly deviceToken: string
}

/** Long enough to find the telephone with the codes. */
const ticketSeconds = 300

/** Logs in by what the form holds, as the API does: the same guards, the same words. */
export async function loginByForm(
  ctx: Context,
  form: URLSearchParams,
  { uid, deviceToken }: { uid: string; deviceToken: string | undefined },
): Promise<BrowserLogin | LoginState> {
  const proof = { ...openTicket(ctx, form.get('ticket'), uid), ...typed(form) }
  try {
    return await logIn(ctx, proof, deviceToken)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const step = nextStep(error, proof)
    const ticket = step === 'password' ? undefined : sealTicket(ctx, proof, uid)
    return { step, email: proof.email ?? '', ticket, fault: faultOf(error, proof) }
  }
}

async function logIn(ctx: Context, proof: Kept, deviceToken: string | undefined): Promise<BrowserLogin> {
  const { slug } = await inTransaction(ctx, (tx) => getTenant(tx))
  const { email, password, code, newPassword } = proof
  const login = UserLogin.safeParse({
    email,
    password,
    tenant: slug,
    deviceToken,
    newPassword,
    secondFactor: code === undefined ? undefined : { type: isTotp.test(code) ? 'totp' : 'recovery', code },
  })
  if (!login.success) throw new Problem('invalid-credentials', 'the form is not complete')
  const proved = await proveUser(asAnonymous(ctx), login.data)
  if (proved.proof.scope)
    throw new Problem(
      'forbidden',
      'you must enrol a second factor first, and then come back: log in to Agent IAM itself',
    )
  const { identityId, sessionId } = await inTransaction(proved.there, async (tx) =>
    openSession(tx, await admitUser(tx, proved), { ...proved.proof, metadata: { use: 'browser login' } }),
  )
  return { accountId: identityId, sessionId, deviceToken: proved.deviceToken }
}

/** Codes of an authenticator are digits; recovery codes are longer. */
const isTotp = /^\d{6,8}$/

/** Whoever logs in is not known yet. */
function asAnonymous(ctx: Context): Context {
  const { tenantId, address } = ctx.caller
  return asCaller(ctx, { kind: 'anonymous', tenantId, address })
}

function nextStep({ code }: Problem, { code: sent, newPassword }: Kept): LoginStep {
  if (code === 'second-factor-required') return 'code'
  if (code === 'password-change-required') return 'new-password'
  if (code === 'invalid-request' && newPassword !== undefined) return 'new-password'
  return code === 'invalid-credentials' && sent !== undefined ? 'code' : 'password'
}

function faultOf({ code, detail, errors }: Problem, { code: sent }: Kept): string | undefined {
  if (code === 'second-factor-required') return sent === undefined ? undefined : 'The code is not valid.'
  if (code === 'password-change-required') return undefined
  if (code === 'invalid-credentials')
    return sent === undefined ? 'The e-mail address or the password is not right.' : 'The code is not valid.'
  const text = errors[0]?.message ?? detail
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** What the person typed so far. */
interface Kept {
  readonly email?: string | undefined
  readonly password?: string | undefined
  readonly code?: string | undefined
  readonly newPassword?: string | undefined
}

/** What the form that was sent just now holds; its fields change from step to step. */
function typed(form: URLSearchParams): Kept {
  const names = ['email', 'password', 'code', 'newPassword']
  const fields = names.flatMap((name) => {
    const value = form.get(name)
    return value === null ? [] : [[name, name === 'email' || name === 'code' ? value.replaceAll(/\s/g, '') : value]]
  })
  return Object.fromEntries(fields)
}

function sealTicket(ctx: Context, kept: Kept, uid: string): string {
  const until = addSeconds(ctx.clock.now(), ticketSeconds).toISOString()
  const text = JSON.stringify({ ...kept, until })
  return ctx.sealer.seal(Buffer.from(text), ticketPlace(uid)).toString('base64url')
}

const Ticket = z.object({
  email: z.string(),
  password: z.string(),
  code: z.string().optional(),
  newPassword: z.string().optional(),
  until: z.string(),
})

/** Undefined for anything that we did not seal for this interaction a moment ago. */
function openTicket(ctx: Context, ticket: string | null, uid: string): Kept | undefined {
  try {
    const text = ctx.sealer.open(Buffer.from(ticket ?? '', 'base64url'), ticketPlace(uid)).toString()
    const { until, ...kept } = Ticket.parse(JSON.parse(text))
    return Date.parse(until) > ctx.clock.now().getTime() ? kept : undefined
  } catch {
    // Whatever it is, it is no ticket of ours; the person types the password again.
    return undefined
  }
}

function ticketPlace(uid: string): string {
  return `oauth login ${uid}`
}
