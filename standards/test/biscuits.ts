import { readFile } from 'node:fs/promises'
import { ed25519 } from '@noble/curves/ed25519.js'
import type { AuthorityFacts } from '../src/biscuit/facts.ts'
import { type BiscuitLibrary, loadBiscuit } from '../src/biscuit/library.ts'
import { mint } from '../src/biscuit/mint.ts'
import { open } from '../src/biscuit/token.ts'
import { toHex } from '../src/hex.ts'

const entry = import.meta.resolve('@biscuit-auth/biscuit-wasm')
const bindings: unknown = await import(new URL('biscuit_bg.js', entry).href)

/** The library, once for a test file. */
export const library: BiscuitLibrary = await loadBiscuit(bindings, await readFile(new URL('biscuit_bg.wasm', entry)))

export const rootKeyId = 3
export const rootPrivateKey = new Uint8Array(32).fill(7)
const publicKey = toHex(ed25519.getPublicKey(rootPrivateKey))
export const publicKeyOf = (id: number) => (id === rootKeyId ? publicKey : undefined)

export const facts: AuthorityFacts = {
  issuer: 'https://iam.example',
  audience: 'https://files.example',
  tenant: 'ten_1',
  agent: 'agt_1',
  parent: 'usr_1',
  session: 'ses_1',
  task: 'tsk_1',
  rights: [
    { type: 'file', idPattern: 'docs/*', action: 'read' },
    { type: 'file', idPattern: 'notes', action: 'write' },
    { type: '*', action: 'list' },
  ],
  reservedTypes: ['platform'],
  issuedAt: new Date('2026-11-22T10:00:00Z'),
  expiresAt: new Date('2026-11-22T11:00:00Z'),
  confirmation: undefined,
  statusList: { uri: 'https://iam.example/status-lists/stl_1', idx: 81_734 },
}

/** A question that the facts above allow. */
export const question = {
  operation: 'read',
  resource: 'file/docs/a',
  audience: 'https://files.example',
  time: new Date('2026-11-22T10:30:00Z'),
}

/** A token of those facts, some of them different. */
export function minted(different: Partial<AuthorityFacts> = {}): string {
  return mint(library, { rootPrivateKey, rootKeyId, facts: { ...facts, ...different } })
}

/** A token with one more block, in the words of whoever holds it. */
export function appended(token: string, datalog: string): string {
  return library.use((module, keep) => {
    const { biscuit } = open(module, keep, token, publicKeyOf)
    const block = keep(module.Biscuit.block_builder())
    block.addCodeWithParameters(datalog, {}, {})
    return keep(biscuit.appendBlock(block)).toBase64()
  })
}

/** A token of another issuer's words, signed by the root key all the same. */
export function mintedWords(datalog: string, id = rootKeyId): string {
  return library.use(({ Biscuit, PrivateKey, SignatureAlgorithm }, keep) => {
    const builder = keep(Biscuit.builder())
    builder.setRootKeyId(id)
    builder.addCodeWithParameters(datalog, {}, {})
    return keep(builder.build(keep(PrivateKey.fromBytes(rootPrivateKey, SignatureAlgorithm.Ed25519)))).toBase64()
  })
}
