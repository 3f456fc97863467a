import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../server/test/free-port.ts'
import { postRequest, type Answer } from './http-connection.ts'
import type { Peer } from './load.ts'
import { startProgram } from './program.ts'
import { allGrants, type Grant, type Question, type Workload } from './workload.ts'

export const cerbosVersion = '0.51.0'

/**
 * Cerbos with the same rules, as fast as it can be: its policies on disk, no audit, no telemetry, no log of requests.
 *
 * It keeps no agents, so each request brings what the agent holds, as roles; nothing is authenticated or recorded.
 */
export async function startCerbos(workload: Workload): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-iam-bench-cerbos-'))
  const port = await freePort()
  await writePolicies(folder, workload)
  const config = join(folder, '.cerbos.json')
  await writeFile(config, JSON.stringify(configuration(folder, port, await freePort())))
  const program = await startProgram({
    command: findBinary(),
    args: ['server', `--config=${config}`, '--log-level=error', '--debug-listen-addr='],
    cwd: folder,
    readyUrl: `http://127.0.0.1:${port}/_cerbos/health`,
  })
  return {
    target: {
      name: `Cerbos ${cerbosVersion}`,
      port,
      requests: workload.questions.map((question) => requestOf(workload, question)),
      check: (question, answer) => checkAnswer(workload.questions[question], answer),
    },
    async stop() {
      await program.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function configuration(folder: string, port: number, grpcPort: number) {
  return {
    server: { httpListenAddr: `127.0.0.1:${port}`, grpcListenAddr: `127.0.0.1:${grpcPort}`, logRequestPayloads: false },
    storage: { driver: 'disk', disk: { directory: join(folder, 'policies'), watchForChanges: false } },
    telemetry: { disabled: true },
    audit: { enabled: false },
  }
}

async function writePolicies(folder: string, workload: Workload): Promise<void> {
  await mkdir(join(folder, 'policies'))
  for (const type of new Set(allGrants.map((grant) => grant.type))) {
    const grants = allGrants.filter((grant) => grant.type === type)
    const rules = [...grants.map(permit), ...workload.guarded.map(forbidWithoutTicket)]
    const policy = { apiVersion: 'api.cerbos.dev/v1', resourcePolicy: { resource: type, version: 'default', rules } }
    await writeFile(join(folder, 'policies', `${type}.json`), JSON.stringify(policy))
  }
}

function permit(grant: Grant) {
  return {
    actions: [grant.action],
    effect: 'EFFECT_ALLOW',
    roles: [roleOf(grant)],
    condition: { match: { expr: `R.id.startsWith("${grant.area}/")` } },
  }
}

function forbidWithoutTicket(area: string) {
  return {
    actions: ['write'],
    effect: 'EFFECT_DENY',
    roles: ['*'],
    condition: { match: { expr: `R.id.startsWith("${area}/") && !has(P.attr.ticket)` } },
  }
}

function roleOf({ type, area, action }: Grant): string {
  return `${type}-${area}-${action}`
}

function requestOf({ agents }: Workload, { agent, type, id, action, context }: Question): Buffer {
  return postRequest('/api/check/resources', {
    principal: { id: `agent-${agent}`, roles: (agents[agent] ?? []).map(roleOf), attr: context },
    resources: [{ actions: [action], resource: { kind: type, id } }],
  })
}

const allow = Buffer.from('"EFFECT_ALLOW"')

function checkAnswer(question: Question | undefined, { status, body }: Answer): void {
  if (status !== 200 || body.includes(allow) !== question?.isAllowed)
    throw new Error(`Cerbos answers ${status} ${body.toString()} to ${JSON.stringify(question)}`)
}

/** The binary itself: the package's own command would keep a Node process beside it. */
function findBinary(): string {
  const neighbour = createRequire(createRequire(import.meta.url).resolve('cerbos/package.json'))
  return neighbour.resolve(`@cerbos/cerbos-${process.platform}-${process.arch}`)
}
