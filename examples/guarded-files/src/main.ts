import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Agent, AgentIamError, type Decision, DeniedError, secure } from '@agent-iam/sdk'
import { listFiles, locate } from './tree.ts'

const root = fileURLToPath(new URL('../files', import.meta.url))

try {
  const agent = await secure('guarded-files', { type: 'worker', capabilities: ['file/docs/*:read'] })
  print(`${agent.name} is ${agent.id}`)
  for (const wanted of [...(await listFiles(root)), 'docs/../secrets/payroll.txt']) await read(agent, wanted)
  await agent.close()
} catch (error) {
  if (!(error instanceof AgentIamError)) throw error
  process.stderr.write(`guarded-files: ${error.message}\n`)
  process.exitCode = 1
}

/** Reads one file, if the agent may. */
async function read(agent: Agent, wanted: string): Promise<void> {
  const { path, resource } = await locate(root, wanted)
  try {
    await agent.performAction('read', resource, async (decision) => {
      const text = await readFile(path, 'utf8')
      tell('ALLOW', wanted, decision, `${text.length} characters read`)
    })
  } catch (error) {
    if (!(error instanceof DeniedError)) throw error
    tell('DENY', wanted, error.decision, 'not opened')
  }
}

function tell(verdict: string, wanted: string, { reason, reasons, record }: Decision, outcome: string): void {
  const policies = reasons.map(({ policyId }) => policyId).join(', ')
  print(`${verdict.padEnd(5)}  read ${wanted}: ${outcome}`)
  print(`       ${reason} (${policies}); record ${record.sequence}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
