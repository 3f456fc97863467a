import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { idSchema } from '@agent-iam/contract/ids'
import { z } from 'zod'
import { type LocalState, parseFile, serverFolder } from './config.ts'
import { CredentialsError } from './errors.ts'
import { readPrivateFile } from './private-file.ts'

const shared = { version: z.literal(1), server: z.string(), name: z.string(), privateKey: z.string() }

const PendingKey = z.object({
  ...shared,
  status: z.literal('pending'),
  /** The process that registers the key; null once its attempt has failed. */
  registrant: z.int().positive().nullable(),
  attemptEndsAt: z.iso.datetime(),
})
/** A key that the server may or may not know: it was written down before it was sent. */
export type PendingKey = z.infer<typeof PendingKey>

const RegisteredKey = z.object({
  ...shared,
  status: z.literal('registered'),
  /** The only issuer whose challenges the key signs. */
  issuer: z.string(),
  tenantId: z.string().nullable(),
  agentId: idSchema('agent'),
  /** The key that is to take its place: written down before it is sent, so that a lost answer loses nothing. */
  nextPrivateKey: z.string().optional(),
})
/** A key that the server knows, and as whose. */
export type RegisteredKey = z.infer<typeof RegisteredKey>

const KeyFile = z.discriminatedUnion('status', [PendingKey, RegisteredKey])
export type KeyFile = z.infer<typeof KeyFile>

/** Where an agent's key lies. Names that are no plain file name get a digest, so that no two names share a file. */
export function keyFilePath(state: LocalState, name: string): string {
  const plain = /^[a-z0-9][a-z0-9_-]{0,63}$/.test(name)
  const readable = name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 40)
  const digest = createHash('sha256').update(name, 'utf8').digest('hex').slice(0, 16)
  return join(serverFolder(state, 'agents'), `${plain ? name : `${readable}~${digest}`}.json`)
}

/** Reads an agent's key file; undefined when there is none. */
export async function readKeyFile(file: string, server: string, name: string): Promise<KeyFile | undefined> {
  const text = await readPrivateFile(file)
  if (text === undefined) return undefined
  const stored = parseFile(file, text, KeyFile)
  if (stored.server !== server || stored.name !== name)
    throw new CredentialsError(
      file,
      `${file} is the key of ${stored.name} at ${stored.server}, not of ${name} at ${server}`,
    )
  return stored
}

export function formatKeyFile(key: KeyFile): string {
  return `${JSON.stringify(key, undefined, 2)}\n`
}
