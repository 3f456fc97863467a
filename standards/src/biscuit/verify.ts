import type { StatusReference } from '../status-list.ts'
import { BiscuitError } from './errors.ts'
import { type AuthorityFacts, type Confirmation, isRightKind, type Right, rightOf } from './facts.ts'
import type { BiscuitLibrary } from './library.ts'
import { open, type PublicKeyOf } from './token.ts'

/** What the signatures of a token prove. */
export interface VerifiedBiscuit {
  readonly rootKeyId: number
  readonly facts: AuthorityFacts
  /** All blocks, the authority's among them: 1 for a token that nobody attenuated. */
  readonly blocks: number
  /** One per block, in hex, the authority's first: a token is revoked when one of its ids is. */
  readonly revocationIds: readonly string[]
}

/**
 * Verifies the signatures and reads what the issuer said. Nothing is evaluated: neither expiry nor audience is looked
 * at, and no word of a later block costs more than its signature. For that, `authorize`.
 */
export function verify(library: BiscuitLibrary, token: string, publicKeyOf: PublicKeyOf): VerifiedBiscuit {
  return library.use((bindings, keep) => {
    const { biscuit, rootKeyId } = open(bindings, keep, token, publicKeyOf)
    return {
      rootKeyId,
      facts: readFacts(biscuit.getBlockSource(0)),
      blocks: biscuit.countBlocks(),
      revocationIds: biscuit.getRevocationIdentifiers(),
    }
  })
}

/**
 * Reads the facts from the Datalog that the library prints, a statement a line. Texts stand in it as they are, without
 * escapes; `requireWritable` keeps what breaks lines out of them, and blanks out of actions, so one reading is possible.
 */
function readFacts(source: string): AuthorityFacts {
  const lines = source.split('\n').filter((line) => !ruleOrCheck.test(line))
  if (!lines.every((line) => Object.values(forms).some((form) => form.test(line)))) refuse()
  const texts = matches(lines, forms.text)
  const times = matches(lines, forms.time)
  return {
    ...requireNames(texts),
    parent: findNamed(texts, 'parent'),
    task: findNamed(texts, 'task'),
    rights: matches(lines, forms.right).map(readRight),
    reservedTypes: matches(lines, forms.reservedType).map(([type = '']) => type),
    issuedAt: readTime(findNamed(times, 'issued_at')),
    expiresAt: readTime(findNamed(times, 'expires_at')),
    confirmation: readConfirmation(matches(lines, forms.confirmation)),
    statusList: readStatusList(matches(lines, forms.statusList)),
  }
}

/** No fact begins so. */
const ruleOrCheck = /^(?:check if |(?:action|type)_name\(|$)/

const forms = {
  text: /^(issuer|audience|tenant|agent|parent|session|task)\("(.+)"\);$/su,
  time: /^(issued_at|expires_at)\((\S+)\);$/u,
  right: /^right\("([\w.*-]+)", "(any|exact|prefix)", "(.*)", "(\S+)"\);$/su,
  reservedType: /^reserved_type\("([\w.-]+)"\);$/u,
  confirmation: /^confirmation\("(jkt|x5t#S256)", "(.+)"\);$/su,
  statusList: /^status_list\("(.+)", (\d{1,16})\);$/su,
}

/** The parts of every line of that form. */
function matches(lines: readonly string[], form: RegExp): string[][] {
  return lines.flatMap((line) => {
    const parts = form.exec(line)
    return parts ? [parts.slice(1)] : []
  })
}

function requireNames(texts: readonly string[][]) {
  const textOf = (name: string) => findNamed(texts, name) ?? refuse()
  return {
    issuer: textOf('issuer'),
    audience: textOf('audience'),
    tenant: textOf('tenant'),
    agent: textOf('agent'),
    session: textOf('session'),
  }
}

/** A name that is said twice says nothing. */
function findNamed(pairs: readonly string[][], name: string): string | undefined {
  const [found, second] = pairs.filter(([each]) => each === name)
  return second ? refuse() : found?.[1]
}

function readRight([type = '', kind, id = '', action = '']: readonly string[]): Right {
  return isRightKind(kind) ? rightOf({ type, kind, id, action }) : refuse()
}

function readTime(text: string | undefined): Date {
  const time = new Date(text ?? '')
  return Number.isNaN(time.getTime()) ? refuse() : time
}

function readConfirmation([found, second]: readonly string[][]): Confirmation | undefined {
  if (second) return refuse()
  const [member, thumbprint = ''] = found ?? []
  if (member === undefined) return undefined
  return member === 'jkt' ? { jkt: thumbprint } : { 'x5t#S256': thumbprint }
}

function readStatusList([found, second]: readonly string[][]): StatusReference | undefined {
  if (second) return refuse()
  const [uri, idx] = found ?? []
  return uri === undefined ? undefined : { uri, idx: Number(idx) }
}

function refuse(): never {
  throw new BiscuitError('unexpected-authority', 'the authority block is not of the form that is written here')
}
