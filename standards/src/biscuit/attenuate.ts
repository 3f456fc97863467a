import type { Parameters } from './bindings.ts'
import { BiscuitError } from './errors.ts'
import type { BiscuitLibrary } from './library.ts'
import { blocksMax, open, type PublicKeyOf, requireRoom } from './token.ts'

/** What the new block takes away. At least one of these. */
export interface Restriction {
  /** Only these operations, of those that were allowed. */
  readonly operations?: readonly string[] | undefined
  /** Only resources whose `type/id` begins so: end it with `/` to mean a folder. */
  readonly resourcePrefix?: string | undefined
  readonly expiresAt?: Date | undefined
  readonly audience?: string | undefined
}

/**
 * Narrows a token without asking the issuer: the new block holds checks only, and no block can take a check of another
 * away. The root keys are the public ones; they prove that there is something to narrow.
 */
export function attenuate(
  library: BiscuitLibrary,
  token: string,
  publicKeyOf: PublicKeyOf,
  restriction: Restriction,
): string {
  const [code, parameters] = blockOf(restriction)
  return library.use((bindings, keep) => {
    const { biscuit } = open(bindings, keep, token, publicKeyOf)
    if (biscuit.countBlocks() >= blocksMax) throw new BiscuitError('too-many-blocks', 'the token takes no more blocks')
    const block = keep(bindings.Biscuit.block_builder())
    block.addCodeWithParameters(code, parameters, {})
    return requireRoom(unlessSealed(() => keep(biscuit.appendBlock(block))).toBase64())
  })
}

/** Closes a token: whoever holds it can use it, and can narrow it no further. */
export function seal(library: BiscuitLibrary, token: string, publicKeyOf: PublicKeyOf): string {
  return library.use((bindings, keep) => {
    const { biscuit } = open(bindings, keep, token, publicKeyOf)
    return unlessSealed(() => keep(biscuit.sealToken())).toBase64()
  })
}

function blockOf(restriction: Restriction): readonly [code: string, parameters: Parameters] {
  const { operations, resourcePrefix, expiresAt, audience } = restriction
  const checks: [check: string, parameters: Parameters][] = []
  if (operations) checks.push([operationCheck, { operations: { set: requireTexts(operations) } }])
  if (resourcePrefix !== undefined) checks.push([resourceCheck, { prefix: requireText(resourcePrefix) }])
  if (expiresAt) checks.push([expiryCheck, { expires_at: { date: requireDate(expiresAt) } }])
  if (audience !== undefined) checks.push([audienceCheck, { audience: requireText(audience) }])
  if (checks.length === 0) throw invalid('it takes nothing away')
  return [checks.map(([check]) => check).join('\n'), Object.assign({}, ...checks.map(([, each]) => each))]
}

const operationCheck = 'check if operation($operation), {operations}.contains($operation);'
const resourceCheck = 'check if resource($resource), $resource.starts_with({prefix});'
const expiryCheck = 'check if time($time), $time < {expires_at};'
const audienceCheck = 'check if requested_audience({audience});'

/** The library throws plain objects. */
function unlessSealed<T>(step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (error instanceof Error) throw error
    throw new BiscuitError('sealed', 'the token is sealed')
  }
}

function requireTexts(texts: readonly string[]): readonly string[] {
  if (texts.length === 0) throw invalid('no operation is left')
  return [...new Set(texts.map(requireText))]
}

function requireText(text: string): string {
  if (text === '' || !text.isWellFormed()) throw invalid('a text is empty, or not well-formed')
  return text
}

function requireDate(date: Date): string {
  if (Number.isNaN(date.getTime())) throw invalid('expiresAt is no time')
  return date.toISOString()
}

function invalid(message: string): BiscuitError {
  return new BiscuitError('invalid-restriction', message)
}
