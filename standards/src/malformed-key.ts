/** The input is no public key that is accepted. The message says what is wrong with it, and contains nothing of it. */
export class MalformedKeyError extends Error {
  override name = 'MalformedKeyError'
}
