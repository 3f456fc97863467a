import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { isIP, type LookupFunction } from 'node:net'
import type { TenantId } from '@agent-iam/contract/ids'
import type { Response as Answer } from 'undici'
import type { Clock } from './clock.ts'
import { isLoopback } from './config.ts'
import { isPublicAddress, withinBlocks } from './public-address.ts'

/** Whoever makes us wait longer is not worth it: somebody else waits for our answer. */
const timeoutMs = 3000
/** What a stranger's host may send unless the use says less. */
const bytesMaxDefault = 65_536
/** Fetches at once for one tenant: it cannot make us a source of load on others. */
const concurrentMax = 5
/** How long an address that failed is not asked again. */
const failedSeconds = 30
/** Failures remembered; the oldest goes first. */
const failuresMax = 1000

/** Says why something was not fetched, in words for whoever named the address. */
export class OutboundError extends Error {
  override name = 'OutboundError'
}

export interface UntrustedUse {
  readonly tenantId: TenantId
  /** Larger answers are refused. */
  readonly bytesMax?: number
}

export interface OutboundFetch {
  /**
   * `fetch` for addresses that strangers name (DESIGN D14): https alone, GET or HEAD, no redirects, no special-use
   * address, connected to the address that was checked, within three seconds and a size. Throws `OutboundError`.
   */
  untrusted(use: UntrustedUse): typeof fetch
  /**
   * `fetch` for addresses that the operator configured: https, or http to this machine; GET or HEAD, no redirects, any
   * network, within three seconds and a size. Throws `OutboundError`.
   */
  operator(use: { readonly bytesMax: number }): typeof fetch
}

export interface Outside {
  readonly clock: Clock
  /** Blocks of addresses that are reached although they are special, such as the organisation's own network. */
  readonly allowedNetworks: readonly string[]
  /** Instead of the system's resolver and its trusted authorities, for tests. */
  readonly resolve?: (name: string) => Promise<LookupAddress[]>
  readonly ca?: string
}

/** The one way out to other people's servers. */
export function createOutboundFetch(outside: Outside): OutboundFetch {
  const isNamed = withinBlocks(outside.allowedNetworks)
  const isAllowed = (address: string) => isPublicAddress(address) || isNamed(address)
  const failures = new Failures(outside.clock)
  const turns = new Turns()
  return {
    untrusted:
      ({ tenantId, bytesMax = bytesMaxDefault }) =>
      async (input, init) => {
        const request = new Request(input, init)
        const url = requireHttps(request)
        failures.requireNone(url)
        return turns.take(tenantId, async () => {
          try {
            return await fetchOnce(request, { ...outside, isAllowed, bytesMax })
          } catch (error) {
            failures.remember(url)
            throw toOutboundError(url, error)
          }
        })
      },
    operator:
      ({ bytesMax }) =>
      async (input, init) => {
        const request = new Request(input, init)
        const url = new URL(request.url)
        if (!isConfidential(url)) throw new OutboundError(`${url.host}: only https addresses are fetched`)
        try {
          return await fetchOnce(request, { ...outside, isAllowed: () => true, bytesMax })
        } catch (error) {
          throw toOutboundError(url, error)
        }
      },
  }
}

/** Whether nobody on the way reads what is fetched. */
function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

interface Limits extends Outside {
  readonly isAllowed: (address: string) => boolean
  readonly bytesMax: number
}

async function fetchOnce(
  request: Request,
  { isAllowed, bytesMax, ca, resolve = resolveAll }: Limits,
): Promise<Response> {
  // Here, not above: most servers never fetch what a stranger names, and start sooner without.
  const { Agent, fetch: fetchThrough } = await import('undici')
  const { hostname } = new URL(request.url)
  const signal = AbortSignal.timeout(timeoutMs)
  const addresses = await Promise.race([checkedAddresses(hostname, resolve, isAllowed), timedOut(signal)])
  // An agent for this one request: it can connect to nothing but what was checked.
  const agent = new Agent({
    connect: { timeout: timeoutMs, lookup: fixedLookup(addresses), ...(ca !== undefined && { ca }) },
  })
  try {
    const { method, headers } = request
    const answer = await fetchThrough(request.url, {
      method,
      headers: [...headers],
      redirect: 'error',
      signal,
      dispatcher: agent,
    })
    return new Response(await readBody(answer, bytesMax), { status: answer.status, headers: [...answer.headers] })
  } finally {
    await agent.destroy()
  }
}

/** A resolver knows no signal. */
async function timedOut(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort')
  throw new OutboundError('the name was not resolved in time')
}

function requireHttps({ url, method }: Request): URL {
  const parsed = new URL(url)
  if (method !== 'GET' && method !== 'HEAD') throw new OutboundError('untrusted addresses are only read')
  if (parsed.protocol !== 'https:') throw new OutboundError(`${parsed.host}: only https addresses are fetched`)
  return parsed
}

async function checkedAddresses(
  hostname: string,
  resolve: NonNullable<Outside['resolve']>,
  isAllowed: (address: string) => boolean,
): Promise<LookupAddress[]> {
  const literal = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(literal)
  const found = family === 0 ? await resolve(hostname) : [{ address: literal, family }]
  if (found.length > 0 && found.every(({ address }) => isAllowed(address))) return found
  throw new OutboundError(`${hostname} is not an address of the public Internet`)
}

function resolveAll(name: string): Promise<LookupAddress[]> {
  return lookup(name, { all: true })
}

/** A name that answers otherwise the second time gains nothing: there is no second time. */
function fixedLookup(addresses: LookupAddress[]): LookupFunction {
  return (_name, options, done) => {
    const [first] = addresses
    if (options.all) done(null, addresses)
    else done(null, first?.address ?? '', first?.family)
  }
}

async function readBody(answer: Answer, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new OutboundError(`the answer is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** Addresses that failed a moment ago: nobody makes us knock again and again. */
class Failures {
  readonly #until = new Map<string, number>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  requireNone({ href, host }: URL): void {
    if ((this.#until.get(href) ?? 0) > this.#clock.now().getTime())
      throw new OutboundError(`${host} did not answer a moment ago; try again in ${failedSeconds} s`)
  }

  remember({ href }: URL): void {
    const [oldest] = this.#until.keys()
    if (oldest !== undefined && this.#until.size >= failuresMax) this.#until.delete(oldest)
    this.#until.set(href, this.#clock.now().getTime() + failedSeconds * 1000)
  }
}

/** Counts what runs for each tenant. */
class Turns {
  readonly #running = new Map<TenantId, number>()

  async take<Result>(tenantId: TenantId, work: () => Promise<Result>): Promise<Result> {
    const running = this.#running.get(tenantId) ?? 0
    if (running >= concurrentMax) throw new OutboundError('too many fetches at once; try again in a moment')
    this.#running.set(tenantId, running + 1)
    try {
      return await work()
    } finally {
      const left = (this.#running.get(tenantId) ?? 1) - 1
      if (left === 0) this.#running.delete(tenantId)
      else this.#running.set(tenantId, left)
    }
  }
}

/** Of a failure, only what concerns who named the address: no inner address, no stack. */
function toOutboundError({ host }: URL, error: unknown): OutboundError {
  if (error instanceof OutboundError) return error
  return new OutboundError(`${host} could not be fetched`, { cause: error })
}
