// P2: the checks of P1 with sets of policies of several sizes, and among several numbers of agents.
import { connect } from '@agent-iam/sdk'
import type pg from 'pg'
import { administratorToken, askAlone, targetOf, type FilledServer } from './agent-iam.ts'
import {
  cacheHitRateOf,
  figuresOf,
  noVerdictKept,
  race,
  startOurs,
  type Contender,
  type Figures,
  type Ours,
} from './contender.ts'
import { plantBeside } from './crowd-rows.ts'
import { residentMb } from './memory.ts'
import { createDatabase, onDatabase } from './own-database.ts'
import { answersUnder, cedarOf, effectOf, makeRules, mixedWorkload, type Rule } from './policy-mix.ts'
import type { Settings } from './settings.ts'
import { makeWorkload, type Workload } from './workload.ts'

/** One size of what is measured. */
export interface SizeFigures extends Figures {
  readonly size: number
  /** False where the policies are evaluated for every question. */
  readonly keepsVerdicts: boolean
  readonly cacheHitRate: number
  readonly residentMb: number
  /** Of its questions, those that are answered otherwise than with the smallest set. */
  readonly changedAnswers: number
}

export interface PolicyFigures {
  readonly policies: readonly SizeFigures[]
  readonly agents: readonly SizeFigures[]
}

export async function measurePolicies(settings: Settings, postgresUrl: string): Promise<SizeFigures[]> {
  const usual = makeWorkload()
  const mixed = mixedWorkload(usual)
  const { policySizes } = settings
  const sizeMin = Math.min(...policySizes)
  const smallest = answersUnder(makeRules(sizeMin, mixed, usual.guarded), mixed)
  const start = async (size: number, keepsVerdicts: boolean): Promise<Sized> => {
    const rules = makeRules(size, mixed, usual.guarded)
    const workload = answersUnder(rules, mixed)
    const changedAnswers = countChanged(workload, smallest)
    if (size > sizeMin && changedAnswers === 0) throw new Error(`of ${size} policies the most take no part`)
    const databaseUrl = await createDatabase(postgresUrl, `policies-${size}-${keepsVerdicts ? 'kept' : 'anew'}`)
    const name = `${size} policies`
    const ours = await startOurs(name, workload, { databaseUrl, ...(!keepsVerdicts && { settings: noVerdictKept }) })
    return { size, keepsVerdicts, changedAnswers, ours, prepare: () => putPolicies(ours.filled, rules, databaseUrl) }
  }
  const starts = [
    ...policySizes.map((size) => () => start(size, true)),
    // The two ends, without what is remembered.
    ...[...new Set([sizeMin, Math.max(...policySizes)])].map((size) => () => start(size, false)),
  ]
  return raceSizes(starts, settings)
}

export async function measureAgents(settings: Settings, postgresUrl: string): Promise<SizeFigures[]> {
  const workload = makeWorkload()
  const start = async (size: number): Promise<Sized> => {
    const databaseUrl = await createDatabase(postgresUrl, `agents-${size}`)
    const besideEach = size / workload.agents.length - 1
    const ours = await onDatabase(databaseUrl, (database) =>
      startOurs(`${size} agents`, workload, {
        databaseUrl,
        afterEachAgent: ({ agentId }) => plantBeside(database, agentId, besideEach),
      }),
    )
    const prepare = () => onDatabase(databaseUrl, (database) => settle(database, size))
    return { size, keepsVerdicts: true, changedAnswers: 0, ours, prepare }
  }
  return raceSizes(
    settings.agentSizes.map((size) => () => start(size)),
    settings,
  )
}

/** A server with as much as is to be measured, and what is left to do before it is. */
interface Sized extends Pick<SizeFigures, 'size' | 'keepsVerdicts' | 'changedAnswers'> {
  readonly ours: Ours
  readonly prepare: () => Promise<void>
}

async function raceSizes(starts: readonly (() => Promise<Sized>)[], settings: Settings): Promise<SizeFigures[]> {
  const contenders: Contender[] = []
  try {
    const all: Sized[] = []
    for (const start of starts) {
      const sized = await start()
      contenders.push(sized.ours)
      all.push(sized)
      await sized.prepare()
    }
    await race(contenders, settings)
    return all.map(({ ours, size, keepsVerdicts, changedAnswers }) => ({
      size,
      keepsVerdicts,
      changedAnswers,
      cacheHitRate: cacheHitRateOf(ours),
      residentMb: residentMb(ours.filled.server.pid),
      ...figuresOf(ours),
    }))
  } finally {
    for (const { stop } of contenders) await stop()
  }
}

/** Those of each scope that come first through the API, which reads them as it would all; the rest as rows. */
async function putPolicies(filled: FilledServer, rules: readonly Rule[], databaseUrl: string): Promise<void> {
  const { server, workload, agents } = filled
  const agentIds = agents.map(({ agentId }) => agentId)
  const admin = connect({ server: server.url, token: await administratorToken(server) })
  const isSaid = rules.map((rule, place) => rule.scope === 'nothing' || isFirst(rules, place))
  for (const [place, rule] of rules.entries())
    if (isSaid[place])
      await admin.policies.create({ body: { name: nameOf(place), policy: cedarOf(rule, workload, agentIds) } })
  const rows = [...rules.entries()]
    .filter(([place]) => !isSaid[place])
    .map(([place, rule]) => ({
      name: nameOf(place),
      effect: effectOf(rule),
      cedar: cedarOf(rule, workload, agentIds),
    }))
  await onDatabase(databaseUrl, (database) => insertPolicies(database, rows, rules.length))
  await requireReady(filled)
}

function isFirst(rules: readonly Rule[], place: number): boolean {
  const kind = (rule: Rule | undefined) => rule && `${rule.scope} ${effectOf(rule)}`
  return rules.findIndex((rule) => kind(rule) === kind(rules[place])) === place
}

function nameOf(place: number): string {
  return `policy ${place}`
}

async function insertPolicies(database: pg.Client, rows: readonly object[], count: number): Promise<void> {
  await database.query(policiesSql, [JSON.stringify(rows)])
  await database.query('update policy_versions set version = version + 1')
  const { rows: found } = await database.query<{ count: string }>('select count(*) from policies')
  if (Number(found[0]?.count) !== count) throw new Error(`there are ${found[0]?.count} policies, not ${count}`)
  await database.query('analyze policies, policy_documents, policy_revisions')
}

/** As they were made through the API, but for the events. */
const policiesSql = `
  insert into policies (tenant_id, id, name, description, effect, cedar, created_by, created_at)
    select p.tenant_id, gen_random_uuid(), made.name, p.description, made.effect, made.cedar, p.created_by, p.created_at
      from (select * from policies limit 1) p,
        jsonb_to_recordset($1::jsonb) as made(name text, effect text, cedar text)`

/** The first check after a change of many policies waits until they are read. */
async function requireReady(filled: FilledServer): Promise<void> {
  const { requests, check, port } = await targetOf(filled, 'one question')
  const [request = Buffer.alloc(0)] = requests
  check(0, await askAlone(port, request))
}

/** Nobody cleans up or gathers statistics later, while others are measured. */
async function settle(database: pg.Client, size: number): Promise<void> {
  const { rows } = await database.query<{ count: string }>(`select count(*) from identities where kind = 'agent'`)
  if (Number(rows[0]?.count) !== size) throw new Error(`there are ${rows[0]?.count} agents, not ${size}`)
  await database.query('vacuum (analyze)')
  await database.query('checkpoint')
}

function countChanged(workload: Workload, smallest: Workload): number {
  return workload.questions.filter(({ isAllowed }, place) => isAllowed !== smallest.questions[place]?.isAllowed).length
}
