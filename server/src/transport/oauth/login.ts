import { PasskeyLogin, UserLogin } from '@agent-iam/contract/auth'
import { admitByPasskey, admitUser, openSession, proveByPasskey, proveUser } from '../../features/sessions/service.ts'
import { getTenant } from '../../features/tenants/service.ts'
import { addSeconds } from '../../platform/clock.ts'
import { asCaller, inTransaction, type Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { z } from 'zod'

/** What is asked for: first the password or a passkey, then, where needed, the second factor or a new password. */
export type LoginStep = 'password' | 'code' | 'new-password'

/** What the login page shows. */
export interface LoginState {
  readonly step: LoginStep
  readonly email: string
  /** The password that was good already, sealed, while the rest is asked for. */
  readonly ticket: string | undefined
  /** The second factors that the person has, once the password was good. */
  readonly factors: readonly string[]
  /** Why the last attempt did not succeed. */
  readonly fault: string | undefined
}

/** The person, and the session that this login began: the browser is logged in as long as it lives. */
export interface BrowserLogin {
  readonly accountId: string
  readonly sessionId: string
  /** Lets this browser be known again; a login by passkey needs no such thing. */
  readonly deviceToken: string | undefined
}

/** How a login begins. */
export function firstStep(email = ''): LoginState {
  return { step: 'password', email, ticket: undefined, factors: [], fault: undefined }
}

/** Long enough to find the telephone with the codes. */
const ticketSeconds = 300

/** Logs in by what the form holds, as the API does: the same guards, the same words. */
export async function loginByForm(
  ctx: Context,
  form: URLSearchParams,
  { uid, deviceToken }: { uid: string; deviceToken: string | undefined },
): Promise<BrowserLogin | LoginState> {
  const isPasskeyAlone = Boolean(form.get('passkey')) && !form.get('ticket')
  const proof = isPasskeyAlone ? passkeyAlone(form) : withTyped(openTicket(ctx, form.get('ticket'), uid), typed(form))
  try {
    return await (isPasskeyAlone ? logInByPasskey(ctx, proof) : logIn(ctx, proof, deviceToken))
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const step = nextStep(error, proof)
    const factors = factorsOf(error, proof)
    const ticket = step === 'password' ? undefined : sealTicket(ctx, { ...proof, factors }, uid)
    return { step, email: proof.email ?? '', ticket, factors, fault: faultOf(error, proof) }
  }
}

/** Lets in only people of this issuer's tenant: whoever else a passkey names is nobody here. */
async function logInByPasskey(ctx: Context, { passkey }: Kept): Promise<BrowserLogin> {
  const { slug } = await inTransaction(ctx, (tx) => getTenant(tx))
  const login = PasskeyLogin.safeParse({ passkey: readJson(passkey), tenant: slug })
  if (!login.success) throw new Problem('invalid-credentials', 'the passkey is not valid here')
  const { there, userId, passkeyId } = await proveByPasskey(asAnonymous(ctx), login.data)
  const { sessionId } = await inTransaction(there, async (tx) => {
    await admitByPasskey(tx, userId)
    return openSession(tx, userId, { method: 'passkey', credential: passkeyId, metadata: browserLogin })
  })
  return { accountId: userId, sessionId, deviceToken: undefined }
}

const browserLogin = { use: 'browser login' }

async function logIn(ctx: Context, proof: Kept, deviceToken: string | undefined): Promise<BrowserLogin> {
  const { slug } = await inTransaction(ctx, (tx) => getTenant(tx))
  const { email, password, newPassword } = proof
  const login = UserLogin.safeParse({
    email,
    password,
    tenant: slug,
    deviceToken,
    newPassword,
    secondFactor: secondFactorOf(proof),
  })
  if (!login.success) throw new Problem('invalid-credentials', 'the form is not complete')
  const proved = await proveUser(asAnonymous(ctx), login.data)
  if (proved.proof.scope)
    throw new Problem(
      'forbidden',
      'you must enrol a second factor first, and then come back: log in to Agent IAM itself',
    )
  const { identityId, sessionId } = await inTransaction(proved.there, async (tx) =>
    openSession(tx, await admitUser(tx, proved), { ...proved.proof, metadata: browserLogin }),
  )
  return { accountId: identityId, sessionId, deviceToken: proved.deviceToken }
}

function secondFactorOf({ code, passkey }: Kept) {
  if (passkey !== undefined) return { type: 'passkey', response: readJson(passkey) }
  return code === undefined ? undefined : { type: isTotp.test(code) ? 'totp' : 'recovery', code }
}

/** Codes of an authenticator are digits; recovery codes are longer. */
const isTotp = /^\d{6,8}$/

/** Whoever logs in is not known yet. */
function asAnonymous(ctx: Context): Context {
  const { tenantId, address } = ctx.caller
  return asCaller(ctx, { kind: 'anonymous', tenantId, address })
}

function nextStep({ code }: Problem, { password, code: sent, passkey, newPassword }: Kept): LoginStep {
  if (password === undefined) return 'password'
  if (code === 'second-factor-required') return 'code'
  if (code === 'password-change-required') return 'new-password'
  if (code === 'invalid-request' && newPassword !== undefined) return 'new-password'
  return code === 'invalid-credentials' && (sent ?? passkey) !== undefined ? 'code' : 'password'
}

function factorsOf({ code, errors }: Problem, { factors = [] }: Kept): readonly string[] {
  return code === 'second-factor-required' ? errors.map(({ message }) => message) : factors
}

function faultOf({ code, detail, errors }: Problem, { email, code: sent, passkey }: Kept): string | undefined {
  // Every form has the address or a ticket with it, so it is the ticket that is good no longer.
  if (email === undefined) return 'It took too long. Log in again.'
  if (code === 'second-factor-required') return sent === undefined ? undefined : 'The code is not valid.'
  if (code === 'password-change-required') return undefined
  if (code === 'invalid-credentials' && passkey !== undefined) return 'The passkey is not valid here.'
  if (code === 'invalid-credentials')
    return sent === undefined ? 'The e-mail address or the password is not right.' : 'The code is not valid.'
  const text = errors[0]?.message ?? detail
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** What the person typed and proved so far. */
interface Kept {
  readonly email?: string | undefined
  readonly password?: string | undefined
  readonly code?: string | undefined
  /** What the browser's passkey answered, as JSON. */
  readonly passkey?: string | undefined
  readonly newPassword?: string | undefined
  readonly factors?: readonly string[] | undefined
}

/** A passkey with no password before it is a login by itself; what else was typed is not looked at. */
function passkeyAlone(form: URLSearchParams): Kept {
  const { email, passkey } = typed(form)
  return { email: email ?? '', passkey }
}

/** A code and a passkey take each other's place: what came last is meant. */
function withTyped(kept: Kept | undefined, { code, passkey, ...rest }: Kept): Kept {
  if (passkey) return { ...kept, ...rest, passkey, code: undefined }
  if (code) return { ...kept, ...rest, code, passkey: undefined }
  return { ...kept, ...rest }
}

/** What the form that was sent just now holds; its fields change from step to step. */
function typed(form: URLSearchParams): Kept {
  const names = ['email', 'password', 'code', 'passkey', 'newPassword']
  const fields = names.flatMap((name) => {
    const value = form.get(name)
    return value === null ? [] : [[name, name === 'email' || name === 'code' ? value.replaceAll(/\s/g, '') : value]]
  })
  return Object.fromEntries(fields)
}

/** Undefined for what is no JSON: no form of ours sends such. */
function readJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
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
  passkey: z.string().optional(),
  newPassword: z.string().optional(),
  factors: z.array(z.string()).optional(),
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
