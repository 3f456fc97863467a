import ipaddr from 'ipaddr.js'
import { memoized } from '../lib/memoized.ts'

/** Each request asks for its address several times, and most come from few. */
const addressesRemembered = 1_000

/** Groups of an IPv6 address that name its network: a /64 is what one customer, or one machine, has at least. */
const networkGroups = 4

/** The addresses that count as one sender: an IPv4 address by itself, an IPv6 address with its whole /64. */
export const addressNetwork = memoized((address): string => {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  return prefixOf(parsed, networkGroups)
}, addressesRemembered)

/** Groups that name the site: whoever asks for a /48 gets one, and with it 65,536 networks. */
const siteGroups = 3

/** The /48 of an IPv6 address; undefined for any other. */
export function addressSite(address: string): string | undefined {
  if (!ipaddr.isValid(address)) return undefined
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 ? prefixOf(parsed, siteGroups) : undefined
}

const groupBits = 16

function prefixOf({ parts }: ipaddr.IPv6, groups: number): string {
  const prefix = parts.slice(0, groups).map((group) => group.toString(16))
  return `${prefix.join(':')}::/${groups * groupBits}`
}

/** An address without a zone, IPv4 within IPv6 as IPv4; undefined for what is none. */
export const plainAddress = memoized((address): string | undefined => {
  const [bare = ''] = address.split('%')
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : undefined
}, addressesRemembered)

/** Whether an address lies within a range in CIDR notation, or is that one address. IPv4 within IPv6 counts as IPv4. */
export function isWithinRange(address: string, range: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  const [network, bits] = range.includes('/') ? ipaddr.parseCIDR(range) : wholeAddress(range)
  return parsed.kind() === network.kind() && parsed.match(network, bits)
}

function wholeAddress(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}
