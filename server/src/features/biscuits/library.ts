import { readFile } from 'node:fs/promises'
import { loadBiscuit, type BiscuitLibrary } from '@agent-iam/standards/biscuit/library'

let loaded: Promise<BiscuitLibrary> | undefined

/** The library of this thread, started with the first Biscuit: most servers never see one. */
export function biscuitLibrary(): Promise<BiscuitLibrary> {
  return (loaded ??= load())
}

async function load(): Promise<BiscuitLibrary> {
  const entry = import.meta.resolve('@biscuit-auth/biscuit-wasm')
  const bindings: unknown = await import(new URL('biscuit_bg.js', entry).href)
  return loadBiscuit(bindings, await readFile(new URL('biscuit_bg.wasm', entry)))
}
