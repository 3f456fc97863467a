// The process: configuration, start, signals, exit code. Nothing else.
import { ConfigError } from './platform/config.ts'
import { FolderLockedError } from './platform/folder-lock.ts'
import { returnMemory } from './platform/memory.ts'
import { RoleMissingError } from './platform/migrate.ts'
import { start, type RunningServer } from './start.ts'

/** Faults that whoever starts the server can mend: told without a stack. */
const mendable = [ConfigError, FolderLockedError, RoleMissingError]

try {
  const server = await start()
  greet(server)
  returnMemory()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop(server))
  // Nothing is acknowledged without the database, so nothing is lost; whoever supervises us starts us again.
  void server.lost.then(() => process.exit(1))
} catch (error) {
  process.stderr.write(`${mendable.some((kind) => error instanceof kind) ? String(error) : describe(error)}\n`)
  process.exit(1)
}

/** On a terminal somebody reads along; elsewhere the link stands in a file only. */
function greet({ url, setupLink }: RunningServer): void {
  if (!process.stdout.isTTY) return
  process.stdout.write(`\n  Agent IAM is running at ${url}\n`)
  if (setupLink) process.stdout.write(`  Set the administrator's password within an hour: ${setupLink}\n`)
  process.stdout.write('\n')
}

async function stop(server: RunningServer): Promise<void> {
  try {
    await server.close()
    process.exit(0)
  } catch (error) {
    process.stderr.write(`the server did not stop cleanly: ${describe(error)}\n`)
    process.exit(1)
  }
}

function describe(error: unknown): string {
  return error instanceof Error
    ? `${error.stack ?? error.message}${error.cause ? `\ncaused by ${describe(error.cause)}` : ''}`
    : String(error)
}
