import { type Bindings, type Freeable, isBindings } from './bindings.ts'
import { BiscuitError } from './errors.ts'

/**
 * The library ends every evaluation after 1 ms of its clock, which no call can change. Where several processes share a
 * core, an honest token passes that while it waits its turn: one in seventy did, and waits of half a second were seen.
 * Its clock therefore runs this many times slower.
 */
export const clockSlowdown = 2000

/**
 * Memory after which the library starts anew. It loses some with every token it reads, most with a `||`, which
 * strangers may write as they like; a token of the longest kind takes a few megabytes.
 */
export const memoryBytesMax = 64 * 1024 * 1024

/** The library, ready. Everything it allocates during `use` is freed when `use` ends. */
export interface BiscuitLibrary {
  use<T>(work: (bindings: Bindings, keep: <F extends Freeable>(made: F) => F) => T): T
}

/** The part of the WebAssembly JavaScript interface that is used here; TypeScript has it with the browser only. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>
  readonly Module: { imports(module: object): readonly { readonly module: string }[] }
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports }
}

interface Exports {
  readonly memory: { grow(pages: number): number; readonly buffer: ArrayBuffer }
  readonly __wbindgen_start: () => void
}

/**
 * Starts the library from the two files of its package: the module `biscuit_bg.js`, imported, and the bytes of
 * `biscuit_bg.wasm`. Reading them is the caller's part, so that this runs where there is no file system.
 *
 * The module holds one instance: who starts it again is given the same. NOTE: `use` it in no `use`.
 */
export async function loadBiscuit(bindings: unknown, wasm: Uint8Array): Promise<BiscuitLibrary> {
  if (!isBindings(bindings)) throw new TypeError('not the module biscuit_bg.js of @biscuit-auth/biscuit-wasm 0.6')
  const library = started.get(bindings) ?? startOnce(bindings, wasm)
  started.set(bindings, library)
  return library
}

const started = new WeakMap<Bindings, Promise<BiscuitLibrary>>()

async function startOnce(bindings: Bindings, wasm: Uint8Array): Promise<BiscuitLibrary> {
  const module = await WebAssembly.compile(wasm)
  let exports = start(module, bindings)

  const restart = () => {
    // The bindings keep views of the memory: growing it, by nothing even, detaches them.
    exports.memory.grow(0)
    exports = start(module, bindings)
  }
  return {
    use: (work) => {
      if (exports.memory.buffer.byteLength > memoryBytesMax) restart()
      return useFreeing(bindings, work, restart)
    },
  }
}

function start(module: object, bindings: Bindings): Exports {
  const { exports } = new WebAssembly.Instance(module, importsOf(module, bindings))
  const { __wbg_set_wasm: setExports } = bindings
  const { __wbindgen_start: run } = exports
  setExports(exports)
  run()
  return exports
}

function importsOf(module: object, bindings: Bindings): object {
  // oxlint-disable-next-line house/ask-the-clock -- measures how long an evaluation takes, and decides nothing else
  const clock = { performance_now: () => performance.now() / clockSlowdown }
  const names = WebAssembly.Module.imports(module).map((each) => each.module)
  return Object.fromEntries(names.map((name) => [name, name === './biscuit_bg.js' ? silent(bindings) : clock]))
}

/** The library greets on standard output, and prints what it was reading when it panics. */
function silent(bindings: Bindings): object {
  const isPrinting = (name: string) => /^__wbg_(log|debug|info|warn|error)_/.test(name)
  return Object.fromEntries(
    Object.entries(bindings).map(([name, value]) => [name, isPrinting(name) ? () => undefined : value]),
  )
}

function useFreeing<T>(
  bindings: Bindings,
  work: (bindings: Bindings, keep: <F extends Freeable>(made: F) => F) => T,
  restart: () => void,
): T {
  const kept: Freeable[] = []
  try {
    return work(bindings, (made) => {
      kept.push(made)
      return made
    })
  } catch (error) {
    if (!isTrap(error)) throw error
    forget(kept.splice(0))
    restart()
    throw new BiscuitError('malformed', 'the Biscuit library gave up on it', { cause: error })
  } finally {
    freeAll(kept)
  }
}

/** After a panic, an overflown stack or a full memory the instance is in no known state. */
function isTrap(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof Error && error.name === 'RuntimeError')
}

/** Frees inside an instance that goes away, so that the collector frees nothing of that address in the next one. */
function forget(kept: readonly Freeable[]): void {
  for (const each of kept) {
    try {
      freeAll([each])
    } catch {
      // It trapped before. Its memory goes with it.
    }
  }
}

function freeAll(kept: readonly Freeable[]): void {
  for (const each of kept.toReversed()) {
    // NOTE: to free what a call has consumed throws through the library's frames, which each time costs it some stack.
    if (Reflect.get(each, '__wbg_ptr') === 0) continue
    each.free()
  }
}
