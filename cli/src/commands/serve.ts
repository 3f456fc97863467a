import { printable } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'

/** Faults that whoever starts the server can mend, by name: what they say is enough, and a stack would hide it. */
const mendable = new Set(['ConfigError', 'FolderLockedError', 'RoleMissingError'])

/** Runs the server until it is told to stop, or has lost its database. It is configured as `npm start` is: by the environment and its file. */
export async function serve(world: World): Promise<ExitCode> {
  // Loaded only here: the other commands must not wait for a server to load.
  const { start } = await import('@agent-iam/server/start')
  // Listened for from now on: who reads that the server listens may tell it to stop in the same moment.
  const stopped = world.untilStopped()
  try {
    // The environment itself, no copy: the server erases the master key from it.
    const server = await start({ env: world.env })
    greet(world, server)
    const lost = await Promise.race([stopped, server.lost])
    await server.close()
    return lost ? exitCodes.failed : exitCodes.ok
  } catch (error) {
    if (!(error instanceof Error && mendable.has(error.name))) throw error
    for (const line of error.message.split('\n')) world.err(`${printable(line)}\n`)
    return exitCodes.failed
  }
}

/** On a terminal somebody reads along; elsewhere the link stands in a file only, where no log collects it. */
function greet(world: World, { url, setupLink }: { url: string; setupLink: string | undefined }): void {
  if (!world.isTerminal) return
  world.out(`\n  Agent IAM is running at ${url}\n`)
  if (setupLink !== undefined) world.out(`  Set the administrator's password within an hour: ${setupLink}\n`)
  world.out('\n')
}
