import { comparedMax, getAuditHead, leavesMax, listAuditDifferences, listAuditLeaves } from '@agent-iam/contract/audit'
import { validate } from '@agent-iam/contract/auth'
import { type AuditFault, type AuditVerdict, call, verifyAuditLog } from '@agent-iam/sdk'
import type { LocalState } from '@agent-iam/sdk/local'
import { findKeptHead, headFile, keepHead, type KeptHead } from '../kept-heads.ts'
import { takeUpSession } from '../person-session.ts'
import { printable } from '../terminal.ts'
import { type ExitCode, exitCodes, type World } from '../world.ts'

const faultNames: Record<AuditFault, string> = {
  'bytes-changed': 'bytes changed',
  'entry-missing': 'entry missing',
  'chain-broken': 'chain broken',
  'log-shorter': 'log shorter than last time',
  'log-replaced': 'another log than last time',
  'head-differs': 'head differs',
  'column-differs': 'column differs',
}

const limits =
  'What this cannot detect: a log rewritten as a whole before it was first verified here, until there are signed checkpoints.\n'

/** Recomputes the audit log of the session's tenant, and compares with the head kept from last time. */
export async function auditVerify(world: World, state: LocalState, { from }: { from: number }): Promise<ExitCode> {
  const person = await takeUpSession(world, state)
  const { tenantId } = await person.run((connection) => call(connection, validate))
  const { log } = await person.run((connection) => call(connection, getAuditHead))
  const kept = await findKeptHead(state, { log, tenantId })
  const readLeaves = (start: number) =>
    person.run((connection) => call(connection, listAuditLeaves, { query: { from: start, limit: leavesMax } }))
  const readDifferences = (start: number) =>
    person.run((connection) => call(connection, listAuditDifferences, { query: { from: start, limit: comparedMax } }))

  const verdict = await verifyAuditLog(readLeaves, { from, kept, readDifferences })
  if (verdict.status === 'broken') return tellBroken(world, state, verdict, kept)
  tellVerified(world, verdict, from, kept)
  // A head that was not compared with the kept one must not replace it, or a gap would be forgotten.
  if (!kept || verdict.continuesKept) {
    const seenAt = world.clock.now().toISOString()
    await keepHead(state, { version: 1, server: state.server, tenantId, seenAt, ...verdict.head })
  }
  return exitCodes.ok
}

type Verified = Extract<AuditVerdict, { status: 'verified' }>
type Broken = Extract<AuditVerdict, { status: 'broken' }>

function tellVerified(world: World, { head, entries }: Verified, from: number, kept: KeptHead | undefined): void {
  world.out(`log      ${head.log}\n`)
  world.out(`entries  ${entries} recomputed of ${head.size}\n`)
  world.out(`head     ${head.chain}\n`)
  if (from > 0) world.out(`Entries before ${from} were taken on trust.\n`)
  world.out(comparison(from, kept))
  world.out(limits)
  world.out('chain verified\n')
}

function comparison(from: number, kept: KeptHead | undefined): string {
  if (!kept) return 'This log was not seen here before; its head is kept for next time.\n'
  if (from > kept.size)
    return `The head kept from ${kept.seenAt} (${kept.size} entries) lies before and was not compared.\n`
  return `It continues the head kept from ${kept.seenAt} (${kept.size} entries).\n`
}

function tellBroken(world: World, state: LocalState, { log, ...broken }: Broken, kept: KeptHead | undefined): ExitCode {
  world.err(`log ${printable(log)} is NOT intact\n`)
  world.err(`first bad entry: ${broken.sequence} (${faultNames[broken.fault]}): ${printable(broken.detail)}\n`)
  if (kept) world.err(`last verified ${kept.seenAt} with ${kept.size} entries; kept in ${headFile(state, kept.log)}\n`)
  if (broken.fault === 'log-replaced')
    world.err('If the server was set up anew on purpose, remove that file and verify again.\n')
  world.err(limits)
  return exitCodes.bad
}
