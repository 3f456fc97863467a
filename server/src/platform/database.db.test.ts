import { platformTenantId } from '@agent-iam/contract/ids'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openPostgres } from '../../test/databases.ts'
import { openDatabase, openPool } from './database.ts'
import { openEmbeddedDatabase } from './embedded-database.ts'

test('a transaction that cannot take the tenant’s role leaves its connection as it was', async () => {
  const embedded = await openEmbeddedDatabase(undefined)
  const db = openDatabase(openPool({ host: embedded.socketFolder, max: 1, onError: () => undefined }))
  // Nothing was migrated, so there is no role yet.
  await expect(db.transaction(platformTenantId, () => Promise.resolve())).rejects.toThrow('does not exist')
  expect(await db.isReachable()).toBe(true)
  await db.close()
  await embedded.close()
})

test('the database ends a statement by itself, should nobody wait for it any more', async () => {
  const database = await openPostgres()
  const { rows } = await database.db.transaction(platformTenantId, (connection) =>
    sql`select current_setting('statement_timeout') as timeout`.execute(connection),
  )
  expect(rows).toEqual([{ timeout: '12s' }])
  await database.close()
})
