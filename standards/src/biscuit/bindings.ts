// What this folder uses of @biscuit-auth/biscuit-wasm 0.6: its own declarations name two things alike and do not check.

/** Memory of the library that JavaScript's collector does not see. */
export interface Freeable {
  free(): void
}

interface Builder extends Freeable {
  addCodeWithParameters(code: string, parameters: Parameters, scopes: object): void
}

/** What may stand for `{name}` in Datalog; a number is a whole one. Anything else, a `Date` even, makes the library panic. */
export type Term = string | number | { readonly date: string } | { readonly set: readonly string[] }

export type Parameters = Readonly<Record<string, Term>>

export type BlockBuilder = Builder

export interface AuthorizerBuilder extends Builder {
  buildAuthenticated(token: Biscuit): Authorizer
}

interface BiscuitBuilder extends Builder {
  setRootKeyId(id: number): void
  build(root: PrivateKey): Biscuit
}

export interface Biscuit extends Freeable {
  appendBlock(block: BlockBuilder): Biscuit
  sealToken(): Biscuit
  toBase64(): string
  toString(): string
  countBlocks(): number
  getBlockSource(index: number): string
  getRevocationIdentifiers(): string[]
}

interface Authorizer extends Freeable {
  authorize(): number
}

type PrivateKey = Freeable
type PublicKey = Freeable

/** The module `biscuit_bg.js` of the package. */
export interface Bindings {
  readonly Biscuit: {
    builder(): BiscuitBuilder
    block_builder(): BlockBuilder
    fromBase64WithProvider(text: string, keyOf: (rootKeyId: number | undefined) => PublicKey): Biscuit
  }
  readonly AuthorizerBuilder: new () => AuthorizerBuilder
  readonly PrivateKey: { fromBytes(bytes: Uint8Array, algorithm: number): PrivateKey }
  readonly PublicKey: { fromBytes(bytes: Uint8Array, algorithm: number): PublicKey }
  readonly SignatureAlgorithm: { readonly Ed25519: number }
  readonly __wbg_set_wasm: (exports: object) => void
}

/** Whether this is the module that belongs to the WebAssembly of the package. */
export function isBindings(module: unknown): module is Bindings {
  const names = ['Biscuit', 'AuthorizerBuilder', 'PrivateKey', 'PublicKey', 'SignatureAlgorithm', '__wbg_set_wasm']
  return typeof module === 'object' && module !== null && names.every((name) => name in module)
}
