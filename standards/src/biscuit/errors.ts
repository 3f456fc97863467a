/**
 * Why a Biscuit was refused before anything was decided about it:
 * - `malformed`: no Biscuit, or one that the library cannot read
 * - `bad-signature`: a block was cut off, moved, changed, or signed by another key
 * - `unknown-root-key`: no root key of that id is known, or the token names none
 * - `too-large`, `too-many-blocks`: beyond the limits of `token.ts`
 * - `third-party-block`: a block signed by somebody else than the holder
 * - `unexpected-authority`: signed by a root key, and not of the form that `mint` writes
 * - `sealed`: a sealed token takes no further block
 * - `invalid-facts`, `invalid-restriction`: what was to be written cannot be
 */
export type BiscuitErrorCode =
  | 'malformed'
  | 'bad-signature'
  | 'unknown-root-key'
  | 'too-large'
  | 'too-many-blocks'
  | 'third-party-block'
  | 'unexpected-authority'
  | 'sealed'
  | 'invalid-facts'
  | 'invalid-restriction'

/** A Biscuit was refused. The message holds nothing of the token. */
export class BiscuitError extends Error {
  override name = 'BiscuitError'
  readonly code: BiscuitErrorCode

  constructor(code: BiscuitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
