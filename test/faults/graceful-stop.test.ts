import { expect, onTestFinished, test, vi } from 'vitest'
import { embeddedGround, type Ground, postgresGround } from './ground.ts'
import { Load } from './load.ts'
import { finishSetup, logInAdministrator, registerAgent } from './people.ts'
import { readLog } from './read-log.ts'

/** A server's start is most of a test, and other tests start theirs meanwhile. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** So many ask when the signal comes. */
const agentsMax = 6

const grounds: Array<[string, () => Promise<Ground>]> = [
  ['PGlite', embeddedGround],
  ['PostgreSQL', postgresGround],
]

test.each(grounds)(
  'a server on %s, told to stop under load, answers whatever it has recorded and ends with 0',
  async (_name, open) => {
    const ground = await open()
    onTestFinished(() => ground.close())
    const server = await ground.start()
    await finishSetup(ground)
    const administrator = await logInAdministrator(ground.url)
    const agents = await Promise.all(
      Array.from({ length: agentsMax }, (_, number) => registerAgent(administrator, `asker-${number}`)),
    )
    const tokens = await Promise.all(agents.map((agent) => agent.logIn(ground.url)))
    const load = new Load(tokens.map((token) => ({ url: ground.url, token })))
    await load.more(100)

    const toldAt = performance.now()
    const code = await server.end('SIGTERM')
    await load.stop()
    expect(code).toBe(0)
    expect([...load.refusals.keys(), ...load.surprises]).toEqual([])
    expect(load.acknowledged.filter(({ answeredAt }) => answeredAt > toldAt)).not.toEqual([])

    await ground.start()
    const { verdict, events } = await readLog((await logInAdministrator(ground.url)).client)
    const recorded = events.flatMap(({ decisionId }) => decisionId ?? [])
    expect(recorded.toSorted()).toEqual(load.acknowledged.map(({ decisionId }) => decisionId).toSorted())
    expect(verdict.status).toBe('verified')
  },
)
