// The provider library alone, as its documentation sets it up: client credentials, its tokens kept in PostgreSQL.
// NOTE: `oidc-provider` and `pg` are found in the root's node_modules, so they are the very versions that we run on.
import { generateKeyPairSync } from 'node:crypto'
import { Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import pg from 'pg'

/** As many connections as our server has. */
const connectionsMax = 10

const [port = '0', databaseUrl, format = 'opaque', ...secrets] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString: databaseUrl, max: connectionsMax })

class PostgresAdapter implements Adapter {
  readonly #model: string

  constructor(model: string) {
    this.#model = model
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<undefined> {
    await pool.query({
      name: 'upsert',
      text: `insert into oidc_payloads (model, id, payload, grant_id, expires_at) values ($1, $2, $3, $4, $5)
        on conflict (model, id) do update set payload = excluded.payload, expires_at = excluded.expires_at`,
      values: [this.#model, id, JSON.stringify(payload), payload.grantId, new Date(Date.now() + expiresIn * 1000)],
    })
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const found = await pool.query<{ payload: AdapterPayload }>({
      name: 'find',
      text: 'select payload from oidc_payloads where model = $1 and id = $2 and expires_at > now()',
      values: [this.#model, id],
    })
    return found.rows[0]?.payload
  }

  findByUserCode = () => Promise.resolve(undefined)
  findByUid = () => Promise.resolve(undefined)
  consume = () => Promise.resolve(undefined)
  destroy = () => Promise.resolve(undefined)
  revokeByGrantId = () => Promise.resolve(undefined)
}

const jwk = {
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  alg: 'RS256',
}
const issuer = `http://localhost:${port}`
const resource = `${issuer}/api`

const provider = new Provider(issuer, {
  adapter: PostgresAdapter,
  jwks: { keys: [{ ...jwk, kid: 'one', use: 'sig', kty: 'RSA' }] },
  cookies: { keys: ['no cookie is set'] },
  clients: secrets.map((secret, place) => ({
    client_id: `client-${place}`,
    client_secret: secret,
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  ttl: { ClientCredentials: 900 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: format === 'jwt',
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: 'read',
        audience: resource,
        accessTokenTTL: 900,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
})

await pool.query(`create table if not exists oidc_payloads (model text, id text, payload jsonb not null, grant_id text,
  expires_at timestamptz, primary key (model, id)); create index if not exists by_grant on oidc_payloads (grant_id);
  create index if not exists by_expiry on oidc_payloads (expires_at)`)
provider.listen(Number(port), '127.0.0.1')
