import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../bin/agent-iam.js', import.meta.url))

test('the command hands its arguments to the program and passes the exit code on', () => {
  const helped = spawnSync(process.execPath, [bin, 'audit', 'verify', '--help'], { encoding: 'utf8' })
  expect(helped.stderr).toBe('')
  expect(helped.stdout).toContain('--from <sequence>')
  expect(helped.status).toBe(0)
  const wrong = spawnSync(process.execPath, [bin, 'no-such-command'], { encoding: 'utf8' })
  expect(wrong.stderr).toContain("unknown command 'no-such-command'")
  expect(wrong.status).toBe(2)
})
