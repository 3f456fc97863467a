// A rule that checks nothing passes everything: so the linter itself is run, with the committed configuration, on a
// small house full of offences, and each rule must find its own.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = process.cwd()
const house = mkdtempSync(join(tmpdir(), 'house-'))

const offences = {
  'server/src/features/audit/service.ts': `
    import { suspend } from '../identities/service.ts'
    export const now = () => [Date.now(), new Date()]
    export const home = () => process.env
    export const read = (ctx: { db: { all(): unknown } }) => ctx.db.all()
    export const again = () => suspend()
  `,
  'server/src/features/identities/service.ts': 'export const suspend = () => 1\n',
  'server/src/transport/http.ts': 'export const read = (ctx: { db: { all(): unknown } }) => ctx.db.all()\n',
  'server/src/lib/pool.ts': "export { Pool } from 'pg'\n",
  'server/src/lib/reach.ts': "export { nothing } from '../../../contract/src/nothing.ts'\n",
  'server/src/lib/key.ts': `
    import * as crypto from 'node:crypto'
    import { importJWK } from 'jose'
    export { createPublicKey } from 'node:crypto'
    export const open = [importJWK, crypto.X509Certificate, crypto.subtle.importKey('raw')]
  `,
  'contract/src/nothing.ts': 'export const nothing = 1\n',
  'contract/src/nothing.test.ts': `
    import { expect, test } from 'vitest'
    test('says nothing', () => { expect({ detail: 'b' }).toMatchObject({ detail: /a/ }) })
  `,
}

const innocent = {
  'server/src/features/audit/store.ts': 'export const read = (ctx: { db: { all(): unknown } }) => ctx.db.all()\n',
  'server/src/features/audit/committer.ts': 'export class Committer { #db = 1; get() { return this.#db } }\n',
  'server/src/platform/public-keys.ts': "export { createPublicKey } from 'node:crypto'\n",
  'server/src/platform/clock.ts': 'export const now = () => new Date()\n',
  'server/src/platform/config.ts': 'export const home = () => process.env\n',
  'server/src/features/tenants/service.ts': "export * from '../audit/service.ts'\n",
}

let complaints = []

beforeAll(() => {
  for (const [path, text] of Object.entries({ ...offences, ...innocent })) {
    mkdirSync(dirname(join(house, path)), { recursive: true })
    writeFileSync(join(house, path), text)
  }
  for (const shared of ['node_modules', 'tools']) symlinkSync(join(root, shared), join(house, shared))
  // A copy beside the offences: the paths in its overrides are relative to where it lies.
  copyFileSync(join(root, '.oxlintrc.json'), join(house, '.oxlintrc.json'))
  writeFileSync(join(house, 'tsconfig.json'), '{ "compilerOptions": { "module": "NodeNext" } }')
  complaints = lint()
})

afterAll(() => {
  rmSync(house, { recursive: true })
})

test.each([
  ['floors', 'server/src/features/audit/service.ts', 'audit may not know identities.'],
  ['floors', 'server/src/lib/pool.ts', 'pg may only be imported where'],
  ['floors', 'server/src/lib/reach.ts', 'Leave a workspace by the name of a package'],
  ['ask-the-clock', 'server/src/features/audit/service.ts', 'Ask the clock'],
  ['env-in-config', 'server/src/features/audit/service.ts', 'reads the environment'],
  ['sql-in-stores', 'server/src/features/audit/service.ts', 'Only a store speaks SQL.'],
  ['sql-in-stores', 'server/src/transport/http.ts', 'Only a store speaks SQL.'],
  ['no-bare-regexp', 'contract/src/nothing.test.ts', 'Vacuous'],
  ['key-gate', 'server/src/lib/key.ts', 'platform/public-keys.ts'],
])('%s fires in %s', (rule, path, why) => {
  const found = complaints.filter((each) => each.code === `house(${rule})` && each.filename === path)
  expect(found.map((each) => each.message)).toContainEqual(expect.stringContaining(why))
})

test('the hidden clock is found in both its forms', () => {
  expect(complaints.filter((each) => each.code === 'house(ask-the-clock)')).toHaveLength(2)
})

test('a key that is imported past the gate is found, imported, exported again or used by the module’s name', () => {
  expect(complaints.filter((each) => each.code === 'house(key-gate)')).toHaveLength(4)
})

test.each(Object.keys(innocent))('nothing is said about %s', (path) => {
  const found = complaints.filter((each) => each.filename === path && each.code.startsWith('house('))
  expect(found).toEqual([])
})

function lint() {
  const program = join(root, 'node_modules/.bin/oxlint')
  const { stdout } = spawnSync(program, ['-f', 'json', 'server', 'contract'], { cwd: house })
  return JSON.parse(stdout.toString()).diagnostics
}
