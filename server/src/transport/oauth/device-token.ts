import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../../platform/context.ts'

const cookieName = 'agent-iam-device'
/** As long as the token itself is believed. */
const cookieSeconds = 90 * 86_400

/** What a login in this browser was given before: with it, failures of others elsewhere do not count against it. */
export function deviceTokenOf({ headers }: IncomingMessage): string | undefined {
  const cookies = (headers.cookie ?? '').split(';').map((each) => each.trim())
  const found = cookies.find((each) => each.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1)
  return found !== undefined && /^[A-Za-z0-9._~-]{1,200}$/.test(found) ? found : undefined
}

export function keepDeviceToken({ keys, caller }: Context, response: ServerResponse, token: string): void {
  const { pathname, protocol } = new URL(keys.issuerOf(caller.tenantId))
  const path = `${pathname.replace(/\/$/, '')}/oauth`
  const secure = protocol === 'https:' ? '; Secure' : ''
  response.appendHeader(
    'set-cookie',
    `${cookieName}=${token}; Path=${path}; Max-Age=${cookieSeconds}; HttpOnly; SameSite=Lax${secure}`,
  )
}
