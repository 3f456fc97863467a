import { readFile } from 'node:fs/promises'
import { ed25519 } from '@noble/curves/ed25519.js'
import { beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../hex.ts'
import { attenuate, seal } from './attenuate.ts'
import { authorize } from './authorize.ts'
import type { AuthorityFacts } from './facts.ts'
import { type BiscuitLibrary, loadBiscuit } from './library.ts'
import { mint } from './mint.ts'
import { verify } from './verify.ts'

let library: BiscuitLibrary
beforeAll(async () => {
  const entry = import.meta.resolve('@biscuit-auth/biscuit-wasm')
  const bindings: unknown = await import(new URL('biscuit_bg.js', entry).href)
  library = await loadBiscuit(bindings, await readFile(new URL('biscuit_bg.wasm', entry)))
})

const rootPrivateKey = new Uint8Array(32).fill(7)
const publicKey = toHex(ed25519.getPublicKey(rootPrivateKey))
const publicKeyOf = (id: number) => (id === 3 ? publicKey : undefined)
const facts: AuthorityFacts = {
  issuer: 'https://iam.example',
  audience: 'https://iam.example/api',
  tenant: 'ten_1',
  agent: 'agt_1',
  parent: 'usr_1',
  session: 'ses_1',
  task: undefined,
  rights: [
    { type: 'file', idPattern: 'docs/*', action: 'read' },
    { type: '*', action: 'list' },
  ],
  reservedTypes: ['platform'],
  issuedAt: new Date('2026-11-22T10:00:00Z'),
  expiresAt: new Date('2026-11-22T11:00:00Z'),
  confirmation: { jkt: 'abc' },
}
const question = {
  operation: 'read',
  resource: 'file/docs/a',
  audience: 'https://iam.example/api',
  time: new Date('2026-11-22T10:30:00Z'),
  confirmation: { jkt: 'abc' },
}
const minted = () => mint(library, { rootPrivateKey, rootKeyId: 3, facts })

describe('what the issuer says', () => {
  test('is read back as it was written', () => {
    expect(verify(library, minted(), publicKeyOf)).toStrictEqual({
      rootKeyId: 3,
      facts,
      blocks: 1,
      revocationIds: [expect.stringMatching(/^[0-9a-f]{128}$/)],
    })
  })
  test('decides', () => {
    expect(authorize(library, minted(), publicKeyOf, question)).toStrictEqual({ type: 'allowed' })
    const listing = seal(library, attenuate(library, minted(), publicKeyOf, { operations: ['list'] }), publicKeyOf)
    expect(authorize(library, listing, publicKeyOf, question)).toStrictEqual({
      type: 'denied',
      failed: ['block 1: check if operation($operation), {"list"}.contains($operation)'],
    })
  })
})
