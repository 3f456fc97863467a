import { createRequire } from 'node:module'

export type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs')

/**
 * A Cedar of its own: a new WebAssembly instance, sharing nothing with those loaded before.
 *
 * The library makes its instance when its module is first required. Once that instance has trapped, every later call in the
 * process fails, so the module is forgotten and required again. The compiled code is cached by the runtime: a few milliseconds.
 */
export function loadCedar(): Cedar {
  // NOTE: a `require` of its own each time; a shared one lists all it ever loaded, and would keep trapped instances alive.
  const require = createRequire(import.meta.url)
  delete require.cache[require.resolve(cedarModule)]
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- require knows no types; the package's own say what it gives
  const cedar: Cedar = require(cedarModule)
  return cedar
}

const cedarModule = '@cedar-policy/cedar-wasm/nodejs'
