import { readFile } from 'node:fs/promises'
import { type BiscuitLibrary, loadBiscuit } from '@agent-iam/standards/biscuit/library'

/** Reads the library from its package: by its files, as not every runtime imports WebAssembly. */
export async function readBiscuitLibrary(): Promise<BiscuitLibrary> {
  const entry = import.meta.resolve('@biscuit-auth/biscuit-wasm')
  const bindings: unknown = await import(new URL('biscuit_bg.js', entry).href)
  return loadBiscuit(bindings, await readFile(new URL('biscuit_bg.wasm', entry)))
}
