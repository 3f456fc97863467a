// `npm run bench -- [ids] [--json FILE]`: measures the budgets against peers, in one run on one machine.
import { startPostgres } from '../../server/test/postgres.ts'
import { measureChecks } from './checks.ts'
import { measureRest } from './memory.ts'
import { checkEntries, printChecks, printRest, restEntry, writeEntries } from './report.ts'
import { readSettings } from './settings.ts'

const settings = readSettings(process.argv.slice(2))
// Whoever interrupts us must not be left with our servers: they end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

// At rest first: a machine that has just been loaded is slow to start anything.
const rest = settings.ids.has('P9') ? await onPostgres(measureRest) : undefined
if (rest) printRest(rest)
const asksChecks = settings.ids.has('P1') || settings.ids.has('P3')
const checks = asksChecks ? await onPostgres((databaseUrl) => measureChecks(settings, databaseUrl)) : undefined
if (checks) printChecks(checks, settings)
const entries = { ...(checks && checkEntries(checks)), ...(rest && { P9: restEntry(rest) }) }
if (settings.jsonFile !== undefined) await writeEntries(settings.jsonFile, entries)

async function onPostgres<Figures>(measure: (databaseUrl: string) => Promise<Figures>): Promise<Figures> {
  const postgres = await startPostgres()
  try {
    return await measure(postgres.url)
  } finally {
    await postgres.stop()
  }
}
