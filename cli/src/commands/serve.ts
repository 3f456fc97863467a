import { type ExitCode, exitCodes, type World } from '../world.ts'

/** Runs the server until it is told to stop. It is configured as `npm start` is: by the environment and its file. */
export async function serve(world: World): Promise<ExitCode> {
  // Loaded only here: the other commands must not wait for a server to load.
  const { start } = await import('@agent-iam/server/start')
  const server = await start({ env: { ...world.env } })
  await world.untilStopped()
  await server.close()
  return exitCodes.ok
}
