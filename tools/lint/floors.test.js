import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { complaint, escapeComplaint, features, guestComplaint, mayKnow } from './floors.js'

const identities = 'server/src/features/identities'
const audit = 'server/src/features/audit'

test.each([
  [`${identities}/service.ts`, `${identities}/store.ts`],
  [`${identities}/service.ts`, `${audit}/service.ts`],
  [`${identities}/service/suspend.ts`, `${identities}/store/by-name.ts`],
  [`${identities}/service.ts`, `${identities}/name-skeleton.ts`],
  [`${identities}/name-skeleton.ts`, `${identities}/store.ts`],
  [`${identities}/store.ts`, 'server/src/platform/context.ts'],
  [`${identities}/routes.ts`, 'contract/src/agents'],
  ['server/src/app.ts', `${identities}/routes.ts`],
  ['server/src/main.ts', 'server/src/start.ts'],
  ['server/src/start.ts', 'server/src/app.ts'],
  ['server/src/lib/a.ts', 'standards/src/jcs'],
  ['console/src/pages/AgentsPage.tsx', 'sdk/src/index'],
  ['cli/src/serve.ts', 'server/src/start'],
  ['examples/guarded-files/src/main.ts', 'sdk/src/index'],
  ['tools/write-openapi.ts', 'server/src/transport/openapi.ts'],
  [`${audit}/service.test.ts`, `${identities}/service.ts`],
])('%s may import %s', (from, to) => {
  expect(complaint(from, to)).toBeUndefined()
})

test.each([
  [`${identities}/model.ts`, `${identities}/service.ts`, 'model is below service and may not import it.'],
  [`${identities}/service/a.ts`, `${identities}/routes.ts`, 'service is below routes and may not import it.'],
  [`${identities}/chain.ts`, `${identities}/routes.ts`, 'chain is below routes and may not import it.'],
  [`${identities}/service.ts`, `${audit}/store.ts`, 'Enter audit by model or service, not by store.'],
  [`${audit}/service.ts`, `${identities}/model.ts`, 'audit may not know identities.'],
  [
    `${audit}/service.ts`,
    'server/src/features/gossip/model.ts',
    'gossip has no place: list it in tools/lint/floors.js.',
  ],
  ['server/src/platform/clock.ts', `${identities}/model.ts`, 'platform is below features and may not import it.'],
  ['server/src/app.ts', 'server/src/start.ts', 'app is below start and may not import it.'],
  ['server/src/helpers/x.ts', 'server/src/lib/y.ts', 'helpers is on no floor: list it in tools/lint/floors.js.'],
  ['server/src/lib/y.ts', 'server/src/helpers/x.ts', 'helpers is on no floor: list it in tools/lint/floors.js.'],
  ['server/src/app.ts', 'server/test/fixtures.ts', 'What ships may not import from a test.'],
  ['server/src/app.ts', 'sdk/src/index', 'server may not know sdk.'],
  ['server/src/app.ts', 'tools/test.ts', 'server may not know tools.'],
  ['standards/src/jcs.ts', 'contract/src/json', 'standards may not know contract.'],
  ['console/src/main.tsx', 'server/src/app', 'console may not know server.'],
  ['cli/src/serve.ts', 'server/src/app', 'cli may not know server.'],
  ['examples/guarded-files/src/main.ts', 'contract/src/agents', 'examples may not know contract.'],
  ['gossip/src/main.ts', 'contract/src/agents', 'gossip is no workspace: list it in tools/lint/floors.js.'],
])('%s may not import %s', (from, to, why) => {
  expect(complaint(from, to)).toBe(why)
})

test('a workspace is left by the name of a package', () => {
  expect(escapeComplaint('server/src/app.ts', 'contract/src/agents.ts')).toBe(
    'Leave a workspace by the name of a package, not by contract/src/agents.ts.',
  )
  expect(escapeComplaint('examples/a/src/main.ts', 'examples/b/src/main.ts')).toContain('Leave a workspace')
  expect(escapeComplaint('server/src/app.ts', 'server/src/lib/a.ts')).toBeUndefined()
  expect(escapeComplaint('test/e2e/first-run.ts', 'server/test/fixtures.ts')).toBeUndefined()
})

test.each([
  ['fastify', 'server/src/app.ts', `${identities}/service.ts`],
  ['pg', 'server/src/platform/database.ts', `${identities}/service.ts`],
  ['kysely', `${identities}/store/by-name.ts`, `${identities}/storeroom.ts`],
  ['@electric-sql/pglite', 'server/test/databases.ts', 'server/src/app.ts'],
  ['@electric-sql/pglite/contrib/citext', 'server/src/platform/embedded.ts', 'sdk/typescript/src/index.ts'],
  ['ioredis', 'server/src/platform/shared-state.ts', 'server/src/features/limits/service.ts'],
  ['@cedar-policy/cedar-wasm/nodejs', 'server/src/features/policies/engine.ts', 'server/src/features/trust/model.ts'],
  ['jose', 'server/src/features/tokens/service.ts', 'server/src/features/setup/service.ts'],
  ['oidc-provider', 'server/src/transport/oauth/provider.ts', 'server/src/transport/http.ts'],
  ['nodemailer', 'server/src/platform/smtp.ts', 'server/src/features/mail/service.ts'],
  ['undici', 'server/src/platform/outbound-fetch.ts', 'server/src/transport/oauth/provider.ts'],
  ['@simplewebauthn/server', 'server/src/features/factors/webauthn.ts', 'server/src/features/sessions/service.ts'],
  ['@node-rs/argon2', 'server/src/features/credentials/password.ts', 'server/src/features/setup/service.ts'],
])('%s is at home in %s, not in %s', (name, home, elsewhere) => {
  expect(guestComplaint(home, name)).toBeUndefined()
  expect(guestComplaint(elsewhere, name)).toContain(`${name} may only be imported where`)
})

test('a guest is known by its whole name', () => {
  expect(guestComplaint('server/src/lib/a.ts', 'pg-boss')).toBeUndefined()
  expect(guestComplaint('server/src/lib/a.ts', 'pgx')).toBeUndefined()
})

test('every workspace of the root has its line', () => {
  const { workspaces } = JSON.parse(readFileSync('package.json', 'utf8'))
  const unlisted = workspaces.map((path) => path.split('/')[0]).filter((top) => !(top in mayKnow))
  expect(workspaces.length).toBeGreaterThan(0)
  expect(unlisted).toEqual([])
})

test('every feature has its place', () => {
  const folders = globSync('server/src/features/*/').map((path) => path.replace(/\/$/, '').split('/').at(-1))
  expect(folders.filter((folder) => !features.includes(folder))).toEqual([])
})
