import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Block = [Address, number]

/** All that is given out of IPv6 for the public Internet (RFC 4291 §2.4); an IPv4 address put in front lies outside. */
const globalUnicast: Block = ipaddr.parseCIDR('2000::/3')

/**
 * Whether an address is one of the public Internet: not special-use (RFC 6890), nor an IPv4 address wrapped in an IPv6 one
 * (mapped, compatible, NAT64, 6to4, Teredo).
 */
export function isPublicAddress(text: string): boolean {
  // `process` unwraps ::ffff:…; the other embeddings have ranges of their own, none of them "unicast".
  const address = ipaddr.process(text)
  return address.range() === 'unicast' && (address.kind() === 'ipv4' || isWithin(address, globalUnicast))
}

/** Makes a test for lying within one of some addresses and CIDR blocks. */
export function withinBlocks(blocks: readonly string[]): (text: string) => boolean {
  const parsed = blocks.map((block) => ipaddr.parseCIDR(block.includes('/') ? block : `${block}/${bitsOf(block)}`))
  return (text) => parsed.some((block) => isWithin(ipaddr.process(text), block))
}

function isWithin(address: Address, block: Block): boolean {
  return address.kind() === block[0].kind() && address.match(block)
}

function bitsOf(address: string): number {
  return isIP(address) === 4 ? 32 : 128
}
