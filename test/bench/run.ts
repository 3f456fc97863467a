// `npm run bench -- [ids] [--json FILE]`: measures the budgets against peers, in one run on one machine.
import { startPostgres } from '../../server/test/postgres.ts'
import { bulkEntry, measureBulk, printBulk } from './bulk.ts'
import { measureChecks } from './checks.ts'
import { measureLimits, printLimits } from './limits.ts'
import { measureLogins } from './logins.ts'
import { measureRest } from './memory.ts'
import { measureAgents, measurePolicies } from './policies.ts'
import { policiesEntry, printPolicies } from './report-sizes.ts'
import { checkEntries, loginEntry, printChecks, printLogins, printRest, restEntry, writeEntries } from './report.ts'
import { readSettings } from './settings.ts'
import { measureTokens, printTokens, tokensEntry } from './tokens.ts'
import { measureTree, printTree, treeEntry } from './tree.ts'
import { measureValidation, printValidation, validationEntry } from './validation.ts'

const settings = readSettings(process.argv.slice(2))
// Whoever interrupts us must not be left with our servers: they end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

// At rest first: a machine that has just been loaded is slow to start anything.
const rest = settings.ids.has('P9') ? await onPostgres(measureRest) : undefined
if (rest) printRest(rest)
const asksChecks = settings.ids.has('P1') || settings.ids.has('P3')
const checks = asksChecks ? await onPostgres((databaseUrl) => measureChecks(settings, databaseUrl)) : undefined
if (checks) printChecks(checks, settings)
const sizes = settings.ids.has('P2')
  ? {
      policies: await onPostgres((databaseUrl) => measurePolicies(settings, databaseUrl)),
      agents: await onPostgres((databaseUrl) => measureAgents(settings, databaseUrl)),
    }
  : undefined
if (sizes) printPolicies(sizes, settings)
const bulk = settings.ids.has('BULK')
  ? await onPostgres((databaseUrl) => measureBulk(settings, databaseUrl))
  : undefined
if (bulk) printBulk(bulk, settings)
const asksLogins = settings.ids.has('LOGINS')
const logins = asksLogins ? await onPostgres((databaseUrl) => measureLogins(settings, databaseUrl)) : undefined
if (logins) printLogins(logins, settings)
const tokens = settings.ids.has('P4')
  ? await onPostgres((databaseUrl) => measureTokens(settings, databaseUrl))
  : undefined
if (tokens) printTokens(tokens, settings)
const validation = settings.ids.has('P5') ? await onPostgres(measureValidation) : undefined
if (validation) printValidation(validation)
const limits = settings.ids.has('P5') ? await measureLimits() : undefined
if (limits) printLimits(limits)
const tree = settings.ids.has('TREE')
  ? await onPostgres((databaseUrl) => measureTree(settings, databaseUrl))
  : undefined
if (tree) printTree(tree, settings)
const entries = {
  ...(checks && checkEntries(checks)),
  ...(sizes && { P2: policiesEntry(sizes) }),
  ...(tokens && { P4: tokensEntry(tokens) }),
  ...(validation && { P5: { ...validationEntry(validation), limits } }),
  ...(rest && { P9: restEntry(rest) }),
  ...(bulk && { BULK: bulkEntry(bulk) }),
  ...(logins && { LOGINS: loginEntry(logins) }),
  ...(tree && { TREE: treeEntry(tree) }),
}
if (settings.jsonFile !== undefined) await writeEntries(settings.jsonFile, entries)

async function onPostgres<Figures>(measure: (databaseUrl: string) => Promise<Figures>): Promise<Figures> {
  const postgres = await startPostgres()
  try {
    return await measure(postgres.url)
  } finally {
    await postgres.stop()
  }
}
