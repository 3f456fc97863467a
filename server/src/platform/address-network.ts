import ipaddr from 'ipaddr.js'

/** Groups of an IPv6 address that name its network: a /64 is what one customer, or one machine, has at least. */
const networkGroups = 4

/** The addresses that count as one sender: an IPv4 address by itself, an IPv6 address with its whole /64. */
export function addressNetwork(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const groups = parsed.parts.slice(0, networkGroups)
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`
}
