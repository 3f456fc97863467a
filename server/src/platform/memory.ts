import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Gives back what the present thread no longer needs, which takes some tens of milliseconds. The engine would do so when it
 * needs room, which on a server that nobody asks anything is never; after a start it is a quarter of the memory.
 */
export function returnMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect({ type: 'major', flavor: 'last-resort' })
}
