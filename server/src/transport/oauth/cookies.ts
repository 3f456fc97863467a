import type { Context } from '../../platform/context.ts'

/** The provider's cookies. Apart for each issuer, so that two tenants in one browser are two logins. */
export function cookiesOf(ctx: Context, issuer: string) {
  const { pathname, protocol } = new URL(issuer)
  const prefix = protocol === 'https:' ? '__Secure-' : ''
  const common = { httpOnly: true, sameSite: 'lax', signed: true, secure: protocol === 'https:' } as const
  return {
    keys: [ctx.sealer.derive(`oauth cookies of ${issuer}`).toString('base64url')],
    names: {
      session: `${prefix}agent-iam-login`,
      interaction: `${prefix}agent-iam-interaction`,
      resume: `${prefix}agent-iam-resume`,
    },
    long: { ...common, path: `${pathname.replace(/\/$/, '')}/oauth` },
    short: common,
  }
}
