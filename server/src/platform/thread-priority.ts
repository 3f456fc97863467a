import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/** The number by which Linux knows the calling thread; undefined elsewhere, where threads have no priority of their own. */
export function findThreadNumber(): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    // `<process>/task/<thread>`
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    return Number.isSafeInteger(thread) && thread > 0 ? thread : undefined
  } catch {
    return undefined
  }
}

/** Gives the calling thread less of a busy processor than the main thread has, which answers everybody. */
export function yieldToMainThread(): void {
  const thread = findThreadNumber()
  if (thread !== undefined) lowerThreadPriority(thread)
}

/**
 * Gives a thread of this process less of a busy processor than the others. NOTE: who is not root cannot raise it again.
 */
export function lowerThreadPriority(thread: number): void {
  try {
    // On Linux a thread is named as a process is.
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // It has ended, or it is not permitted: then the threads compete as equals.
  }
}
