// `npm test [files and flags of vitest]`: every test, on real databases. What is missing stops the run; nothing is skipped.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startPostgres } from '../server/test/postgres.ts'
import { startRedis } from '../server/test/redis.ts'
import { requireChromium } from '../test/e2e/browser.ts'

const started: { stop(): Promise<void> }[] = []

try {
  process.exitCode = await runTests()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  for (const service of started.toReversed()) await service.stop()
}

async function runTests(): Promise<number> {
  const redis = await startRedis()
  started.push(redis)
  const environment = {
    TEST_DATABASE_URL: await databaseUrl(),
    TEST_REDIS_URL: redis.url,
    AGENT_IAM_TEST_CHROMIUM: requireChromium(),
  }

  const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  })
  // The terminal sends Ctrl-C to vitest as well: wait for it to end, then stop what we started.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => vitest.kill('SIGTERM'))
  await once(vitest, 'exit')
  return vitest.exitCode ?? 1
}

async function databaseUrl(): Promise<string> {
  const given = process.env['TEST_DATABASE_URL']
  if (given) return given
  const postgres = await startPostgres()
  started.push(postgres)
  return postgres.url
}
