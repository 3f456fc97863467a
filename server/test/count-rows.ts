import type { TestDatabase } from './databases.ts'

const tables = [
  'identities',
  'capability_grants',
  'role_assignments',
  'roles',
  'agent_keys',
  'enrolment_tokens',
  'policies',
  'policy_documents',
  'policy_revisions',
  'policy_shadows',
  'decision_results',
  'sessions',
  'refresh_tokens',
  'sdk_tokens',
  'services',
  'service_secrets',
  'service_keys',
  'api_keys',
  'api_key_secrets',
  'setup_links',
  'account_tokens',
  'messages',
  'registrations',
  'invitations',
  'used_nonces',
  'totp_factors',
  'recovery_codes',
  'passkeys',
  'tenant_settings',
  'tenants',
  'tenant_limits',
]

/** How many rows the tables hold, and events of anything but refusals: a refusal may change none of it. */
export async function countRows(database: TestDatabase): Promise<unknown> {
  const counts = tables.map((table) => `select '${table}' as name, count(*)::int as count from ${table}`)
  const events = `select 'events' as name, count(*)::int as count from audit_events where type <> 'request.refused'`
  return database.ask([...counts, events].join(' union all '))
}
