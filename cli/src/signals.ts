/** A signal to stop often comes twice at once: to the group, and passed on by a parent. Later, somebody is impatient. */
const impatientAfterMs = 1000

/** Ends when the process is told to stop. Who tells it again, after a while, ends it without waiting for more. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    const stop = () => {
      firstAt ??= performance.now()
      resolve()
      if (performance.now() - firstAt > impatientAfterMs) process.exit(impatientExitCode)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  })
}

/** As shells report a program ended by SIGINT. */
const impatientExitCode = 130
