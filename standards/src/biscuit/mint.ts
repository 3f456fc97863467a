import type { Parameters } from './bindings.ts'
import { BiscuitError } from './errors.ts'
import { type AuthorityFacts, requireWritable, termsOf, termsOfKey } from './facts.ts'
import type { BiscuitLibrary } from './library.ts'
import { requireRoom } from './token.ts'

/** The key that signs, and what it signs. */
export interface MintOrder {
  /** The 32 bytes of an Ed25519 private key (RFC 8032 §5.1.5). */
  readonly rootPrivateKey: Uint8Array
  /** A number of 32 bits that every token carries, so that root keys can follow one another. */
  readonly rootKeyId: number
  readonly facts: AuthorityFacts
}

/**
 * Writes and signs a token: the facts, and the checks that make them binding for everybody who authorises with it:
 * time, audience, rights and, when there is one, the key that the presenter must hold.
 */
export function mint(library: BiscuitLibrary, order: MintOrder): string {
  requireWritable(order.facts)
  requireRootKeyId(order.rootKeyId)
  const [code, parameters] = authorityBlock(order.facts)

  return library.use(({ Biscuit, PrivateKey, SignatureAlgorithm }, keep) => {
    const builder = keep(Biscuit.builder())
    builder.setRootKeyId(order.rootKeyId)
    builder.addCodeWithParameters(code, parameters, {})
    const rootKey = keep(PrivateKey.fromBytes(order.rootPrivateKey, SignatureAlgorithm.Ed25519))
    return requireRoom(keep(builder.build(rootKey)).toBase64())
  })
}

/** The words of the authority block. Every value is a parameter: nothing of a fact is ever read as Datalog. */
function authorityBlock(facts: AuthorityFacts): readonly [code: string, parameters: Parameters] {
  const names = nameParameters(facts)
  const lists = listParameters(facts)
  const code = [
    ...Object.keys(names).map((name) => `${name}({${name}});`),
    ...facts.rights.map((_, n) => `right({type_${n}}, {kind_${n}}, {id_${n}}, {action_${n}});`),
    ...reservedTypesOf(facts).map((_, n) => `reserved_type({reserved_${n}});`),
    'check if time($time), $time < {expires_at};',
    'check if requested_audience({audience});',
    rightCode,
    facts.confirmation ? confirmationCode : '',
    facts.statusList ? 'status_list({uri}, {idx});' : '',
  ].join('\n')
  return [code, { ...names, ...lists, ...(facts.confirmation && termsOfKey(facts.confirmation)), ...statusOf(facts) }]
}

const confirmationCode = 'confirmation({member}, {thumbprint}); check if proven_key({member}, {thumbprint});'

/**
 * What is asked for lies within a right: `*` is one more name of every operation, and of every type but the reserved.
 *
 * NOTE: written without `||` and `&&`: whenever the library reads or prints one, it keeps the memory.
 */
const rightCode = `
  action_name($operation) <- operation($operation);
  action_name("*") <- operation($operation);
  type_name($type) <- resource_type($type);
  type_name("*") <- resource_type($type), !{reserved}.contains($type);
  check if type_name($type), action_name($action), right($type, "any", $any, $action)
    or type_name($type), action_name($action), resource_id($id), right($type, "exact", $id, $action)
    or type_name($type), action_name($action), resource_id($id), right($type, "prefix", $prefix, $action),
      $id.starts_with($prefix);
`

function statusOf({ statusList }: AuthorityFacts): Parameters {
  return statusList ? { uri: statusList.uri, idx: statusList.idx } : {}
}

/** The facts of one value, by their names in Datalog. */
function nameParameters(facts: AuthorityFacts): Parameters {
  const { issuer, audience, tenant, agent, parent, session, task } = facts
  return {
    issuer,
    audience,
    tenant,
    agent,
    session,
    ...(parent === undefined ? {} : { parent }),
    ...(task === undefined ? {} : { task }),
    issued_at: { date: facts.issuedAt.toISOString() },
    expires_at: { date: facts.expiresAt.toISOString() },
  }
}

function listParameters(facts: AuthorityFacts): Parameters {
  const reserved = reservedTypesOf(facts)
  const rights = facts.rights.flatMap((right, n) => {
    const { type, kind, id, action } = termsOf(right)
    return [
      [`type_${n}`, type],
      [`kind_${n}`, kind],
      [`id_${n}`, id],
      [`action_${n}`, action],
    ]
  })
  const types = reserved.map((type, n) => [`reserved_${n}`, type])
  return { ...Object.fromEntries([...rights, ...types]), reserved: { set: reserved } }
}

function reservedTypesOf(facts: AuthorityFacts): readonly string[] {
  return [...new Set(facts.reservedTypes)]
}

function requireRootKeyId(id: number): void {
  if (!Number.isInteger(id) || id < 0 || id > 0xff_ff_ff_ff)
    throw new BiscuitError('invalid-facts', 'the id of a root key is a number of 32 bits')
}
