import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { idSchema } from '@agent-iam/contract/ids'
import { Sha256 } from '@agent-iam/contract/text'
import { type LocalState, parseFile, readPrivateFile, replacePrivateFile } from '@agent-iam/sdk/local'
import { z } from 'zod'

const KeptHead = z.object({
  version: z.literal(1),
  server: z.string(),
  tenantId: z.string(),
  log: idSchema('log'),
  size: z.int(),
  chain: Sha256,
  seenAt: z.iso.datetime(),
})
/** The head of a log as it was verified last time. */
export type KeptHead = z.infer<typeof KeptHead>

/** What is known of the log: its own head, else that of another log which this tenant of this server had before. */
export async function findKeptHead(
  state: LocalState,
  { log, tenantId }: { readonly log: string; readonly tenantId: string },
): Promise<KeptHead | undefined> {
  const own = await readHead(headFile(state, log))
  if (own) return own
  for (const file of await listHeads(state)) {
    const head = await readHead(file)
    if (head?.server === state.server && head.tenantId === tenantId) return head
  }
  return undefined
}

export async function keepHead(state: LocalState, head: KeptHead): Promise<void> {
  await replacePrivateFile(headFile(state, head.log), `${JSON.stringify(head, undefined, 2)}\n`)
}

/** Where the head of a log is kept. */
export function headFile(state: LocalState, log: string): string {
  return join(state.directory, 'heads', `${log}.json`)
}

async function readHead(file: string): Promise<KeptHead | undefined> {
  const text = await readPrivateFile(file)
  return text === undefined ? undefined : parseFile(file, text, KeptHead)
}

async function listHeads(state: LocalState): Promise<string[]> {
  try {
    const names = await readdir(join(state.directory, 'heads'))
    return names.filter((name) => name.endsWith('.json')).map((name) => join(state.directory, 'heads', name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
