import type { Context } from '../../platform/context.ts'
import { addSeconds } from '../../platform/clock.ts'
import { equalDigests, hmacSha256 } from '../../platform/digest.ts'

/** A device is known for so long after a login: 90 days. */
export const deviceSeconds = 90 * 86_400

const prefix = 'dev_'
const idBytes = 16

type World = Pick<Context, 'clock' | 'random' | 'sealer'>

/**
 * What a device shows to be known: someone proved this account from it. It proves nothing itself; it only keeps strangers'
 * failures from counting against its holder. So it is signed and kept nowhere.
 *
 * @param device a device that is known already: it stays the same one, so that its failures are counted on
 */
export function makeDeviceToken(ctx: World, account: string, device?: string): string {
  const expiresAt = Math.floor(addSeconds(ctx.clock.now(), deviceSeconds).getTime() / 1000).toString(36)
  const id = device ?? ctx.random(idBytes).toString('base64url')
  return `${prefix}${expiresAt}.${id}.${macOf(ctx, account, expiresAt, id).toString('base64url')}`
}

/** Which device it is; undefined unless we made the token for this account, not too long ago. */
export function readDeviceToken(ctx: World, account: string, token: string | undefined): string | undefined {
  const [expiresAt, id, mac] = token?.startsWith(prefix) ? token.slice(prefix.length).split('.') : []
  if (expiresAt === undefined || id === undefined || mac === undefined) return undefined
  if (!equalDigests(Buffer.from(mac, 'base64url'), macOf(ctx, account, expiresAt, id))) return undefined
  return Number.parseInt(expiresAt, 36) * 1000 > ctx.clock.now().getTime() ? id : undefined
}

function macOf({ sealer }: World, account: string, expiresAt: string, id: string): Buffer {
  return hmacSha256(sealer.derive('known device'), [account, expiresAt, id].join('\n'))
}
