import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { userInfo } from 'node:os'
import { freePort } from './free-port.ts'

export interface TestRedis {
  readonly url: string
  stop(): Promise<void>
}

export interface OwnRedis extends TestRedis {
  /** It stays connected and answers nothing, as a stalled machine would. */
  pause(): void
  resume(): void
  /** SIGKILL: what it held is gone. */
  kill(): Promise<void>
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>
}

/** A real Redis: the one that TEST_REDIS_URL names, shared with other tests, else one of the caller's own. */
export async function startRedis(): Promise<TestRedis> {
  const url = process.env['TEST_REDIS_URL']
  return url ? { url, stop: async () => {} } : startOwnRedis()
}

/** A real Redis that the caller may stall and kill; without a disk, and refusing writes rather than forgetting. */
export async function startOwnRedis(): Promise<OwnRedis> {
  requireProgram()
  const port = await freePort()
  let server = await start(port)
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (server.exitCode !== null || server.signalCode !== null) return
    // One that is paused would not hear of its end.
    server.kill('SIGCONT')
    server.kill(signal)
    await once(server, 'exit')
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    async restart() {
      await end('SIGTERM')
      server = await start(port)
    },
  }
}

function requireProgram(): void {
  if (isInstalled()) return
  const canInstall = userInfo().uid === 0 && spawnSync('apt-get', ['--version']).status === 0
  if (canInstall) install()
  if (!isInstalled())
    throw new Error('Redis is needed: install redis-server (version 7 or later), or set TEST_REDIS_URL')
}

function isInstalled(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

function install(): void {
  const quietly = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  spawnSync('apt-get', ['update'], quietly)
  // RUNLEVEL=1 keeps the package from starting a service of its own.
  const env = { ...quietly.env, RUNLEVEL: '1' }
  spawnSync('apt-get', ['install', '--yes', '--no-install-recommends', 'redis-server'], { ...quietly, env })
}

async function start(port: number): Promise<ChildProcess> {
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', 'maxmemory-policy': 'noeviction' }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn('redis-server', flags, { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = () => server.kill('SIGKILL')
  process.once('exit', end)
  server.once('exit', () => process.off('exit', end))
  await untilReady(server)
  return server
}

async function untilReady(server: ChildProcess): Promise<void> {
  let said = ''
  await new Promise<void>((resolve, reject) => {
    server.stdout?.on('data', (text) => {
      said = `${said}${text}`.slice(-2000)
      if (said.includes('Ready to accept connections')) resolve()
    })
    server.once('error', reject)
    server.once('exit', () => {
      reject(new Error(`Redis does not start: ${said}`))
    })
  })
}
