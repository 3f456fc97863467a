import { createHash } from 'node:crypto'
import type { Context } from '../../platform/context.ts'
import { OutboundError } from '../../platform/outbound-fetch.ts'

/** Digits of the SHA-1 that leave this machine: hundreds of leaked passwords share them. */
const prefixDigits = 5
/** A range with its padding has some 40 kB. */
const bytesMax = 262_144

/**
 * Asks the operator's range service, where one is configured, whether a password is known from a leak.
 *
 * A service that does not answer must stop nobody from choosing a password. The answer is then no, and the log says so: the list that
 * ships with the server was asked before.
 */
export async function isLeakedElsewhere(ctx: Context, password: string): Promise<boolean> {
  const { leakedPasswordsUrl: url } = ctx.settings
  if (url === undefined) return false
  const digest = createHash('sha1').update(password.normalize('NFC')).digest('hex').toUpperCase()
  try {
    const range = await readRange(ctx, `${url}/${digest.slice(0, prefixDigits)}`)
    return rangeContains(range, digest.slice(prefixDigits))
  } catch (cause) {
    if (!(cause instanceof OutboundError)) throw cause
    ctx.log.warn(
      { error: cause },
      'the range service of leaked passwords gave no answer; this password was judged without it',
    )
    return false
  }
}

async function readRange({ fetch }: Context, url: string): Promise<string> {
  // Padding hides from who sees the length of the answer which range it is.
  const answer = await fetch.operator({ bytesMax })(url, { headers: { 'add-padding': 'true' } })
  if (!answer.ok) throw new OutboundError(`the range service answered ${answer.status}`)
  return answer.text()
}

/** Each line is `‹rest of the SHA-1›:‹times seen›`; padding was seen 0 times. */
function rangeContains(range: string, suffix: string): boolean {
  const line = range.split(/\r?\n/).find((each) => each.slice(0, suffix.length).toUpperCase() === suffix)
  return line !== undefined && Number(line.slice(suffix.length + 1)) > 0
}
