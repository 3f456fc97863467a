import { isIP } from 'node:net'

/** Cedar keeps decimals in 64 bits, counted in ten-thousandths. */
const decimalMax = 922_337_203_685_477

/** The constructors of Cedar's own types, and which texts each of them takes: what passes here passes the library. */
export const extensionForms: ReadonlyMap<string, (text: string) => boolean> = new Map<
  string,
  (text: string) => boolean
>([
  ['ip', isIpOrBlock],
  ['decimal', (text) => /^-?\d{1,15}\.\d{1,4}$/.test(text) && Math.abs(Number(text)) <= decimalMax],
  ['datetime', isDatetime],
  ['duration', (text) => /^-?(?=\d)(?:\d{1,9}d)?(?:\d{1,9}h)?(?:\d{1,9}m)?(?:\d{1,9}s)?(?:\d{1,9}ms)?$/.test(text)],
])

/** A number as a Cedar decimal; undefined when it has more than four places, or lies beyond what Cedar keeps. */
export function decimalText(value: number): string | undefined {
  const places = value.toFixed(4)
  return Number(places) === value && Math.abs(value) <= decimalMax ? places : undefined
}

/** Cedar reads neither zones (`fe80::1%eth0`) nor IPv4 within IPv6 (`::ffff:10.0.0.1`). */
function isIpOrBlock(text: string): boolean {
  const { address = '', bits } =
    /^(?<address>[\d.]+|[\da-fA-F:]+)(?:\/(?<bits>0|[1-9]\d{0,2}))?$/.exec(text)?.groups ?? {}
  const family = isIP(address)
  return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128)
}

/** A day of the calendar, alone or with a time and its zone. */
function isDatetime(text: string): boolean {
  const form =
    /^(?<day>\d{4}-\d\d-\d\d)(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3})?(?:Z|[+-](?:[01]\d|2[0-3])[0-5]\d))?$/
  const day = form.exec(text)?.groups?.['day']
  if (day === undefined) return false
  const midnight = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
}
