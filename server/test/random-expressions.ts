import fc from 'fast-check'
import { entityText, factPath, literal, long, principals, resource, roles, text } from './random-words.ts'

type Type = 'bool' | 'long' | 'text' | 'set' | 'any'
type Expressions = Record<Type, fc.Arbitrary<string>>

/** A pattern in brackets, with an expression in the place of each `$`. */
function of(pattern: string, ...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc
    .tuple(...parts)
    .map((given) => given.reduce((whole, part, place) => whole.replaceAll(`$${place}`, () => part), `(${pattern})`))
}

function oneOf(...texts: readonly string[]): fc.Arbitrary<string> {
  return fc.constantFrom(...texts).map((each) => `(${each})`)
}

const boolLeaves = fc.oneof(
  oneOf('true', 'context.request.flag', 'context.inScope', 'principal in context.coveredBy'),
  // The clock and the whole of the context: what can be remembered of these is nothing.
  oneOf('context.now < datetime("2027-01-01")', 'context == {hop: 0}'),
  oneOf('context has request', 'context has "x y"', 'context.request has flag', 'context.request has "a \\"b\\""'),
  oneOf(
    'context.request has inner.deep.deeper',
    'context.request.inner has deep.deeper',
    'context.request has nothing',
  ),
  oneOf('context.request.inner.deep == 1', 'context.request == {count: 1}', 'context.request.list == ["a"]'),
  fc.constantFrom(...roles, ...principals).map((each) => `(principal in ${entityText(each)})`),
  resource.map((each) => `(resource in [${entityText(each)}])`),
  oneOf('principal is AgentIam::User', 'resource has owner && resource.owner == principal.id', 'principal.hasTag("x")'),
  oneOf('resource.labels.contains("pii")', 'resource has attributes.level && resource.attributes.level > 1'),
  oneOf('context.friend.id == "Agent 1"', 'context.friend in AgentIam::Role::"1"'),
)

const decimals = fc.oneof(oneOf('decimal("0.5000")', 'principal.trustScore', 'context.request.score'), factPath)
const times = oneOf('datetime("2026-03-01T12:00:00Z")', 'context.request.at', 'principal.expiresAt')
const waits = oneOf('duration("1h")', 'duration("-1d2ms")', 'context.request.wait')
const addresses = oneOf('ip("10.0.0.1")', 'ip("::1")', 'ip("10.0.0.0/8")', 'context.request.from')

const extensionBools = fc.oneof(
  of('$0.lessThan($1)', decimals, decimals),
  of('$0.isInRange($1)', addresses, addresses),
  of('$0.isIpv4()', addresses),
  of('$0 >= $1', times, times),
  of('$0.durationSince($1) < $2', times, times, waits),
  of('$0.offset($1) < $2', times, waits, times),
)

const patterns = text.map((each) => literal(each, '\\*').slice(1, -1))

function boolsOver({ bool, long: number, text: string, set, any }: Expressions): fc.Arbitrary<string>[] {
  return [
    of('$0 == $1', any, any),
    of('$0 < $1', number, number),
    of('$0 && $1', bool, bool),
    of('$0 || $1', bool, bool),
    of('!$0', bool),
    of('if $0 then $1 else $2', bool, bool, bool),
    of('$0.contains($1)', set, any),
    of('$0.containsAny($1)', set, set),
    of('$0.containsAll($1)', set, set),
    of('$0.isEmpty()', set),
    of('$0 like "*$1*"', string, patterns),
  ]
}

const longLeaves = fc.oneof(
  long.map((each) => `(${each})`),
  oneOf('context.request.count', 'context.hop', '9223372036854775807', 'resource.attributes.level'),
)

function longsOver({ long: number }: Expressions): fc.Arbitrary<string>[] {
  return [
    of('$0 + $1', number, number),
    of('$0 - $1', number, number),
    of('$0 * $1', number, number),
    of('-$0', number),
  ]
}

const textLeaves = fc.oneof(
  text.map((each) => literal(each)),
  factPath,
  oneOf('principal.id', 'resource.id', 'context.actor'),
)

/** Expressions by their type. They need not be valid: one that errs is as good a case. */
export const expressions: Expressions = fc.letrec<Record<Type, string>>((tie) => {
  const inner = { bool: tie('bool'), long: tie('long'), text: tie('text'), set: tie('set'), any: tie('any') }
  const { bool, any, set } = inner
  return {
    bool: fc.oneof({ maxDepth: 3 }, boolLeaves, extensionBools, ...boolsOver(inner)),
    long: fc.oneof({ maxDepth: 3 }, longLeaves, ...longsOver(inner)),
    text: textLeaves,
    set: fc.oneof(
      { maxDepth: 2 },
      fc.constantFrom('context.request.list', 'resource.labels', '[]', 'context.coveredBy'),
      fc.array(any, { maxLength: 3 }).map((each) => `[${each.join()}]`),
    ),
    any: fc.oneof(
      { maxDepth: 2 },
      factPath,
      bool,
      inner.long,
      inner.text,
      set,
      of('{a: $0, "b c": $1}.a', any, any),
      of('{a: $0}', any),
    ),
  }
})
