import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

/** What it is called, by whoever packs it. */
const names = ['chromium', 'chromium-browser', 'google-chrome']

/** The path of a Chromium: the one that AGENT_IAM_TEST_CHROMIUM names, the machine's own, else one that apt brings. */
export function requireChromium(): string {
  const given = process.env['AGENT_IAM_TEST_CHROMIUM']
  if (given) return given
  const found = findInstalled() ?? install()
  if (found) return found
  throw new Error('Chromium is needed: install chromium, or set AGENT_IAM_TEST_CHROMIUM to its path')
}

/** A real browser without a window. As root it has no sandbox of its own; it only ever sees our pages. */
export async function openBrowser(): Promise<Browser> {
  const args = userInfo().uid === 0 ? ['--no-sandbox'] : []
  return chromium.launch({ executablePath: requireChromium(), args })
}

function findInstalled(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(canRun)
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function install(): string | undefined {
  if (userInfo().uid !== 0 || spawnSync('apt-get', ['--version']).status !== 0) return undefined
  const quietly = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  spawnSync('apt-get', ['update'], quietly)
  spawnSync('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium'], quietly)
  return findInstalled()
}
