import type { AuditHead, listAuditDifferences, listAuditLeaves } from '@agent-iam/contract/audit'
import { fromBase64url, MalformedBase64Error } from '@agent-iam/standards/base64url'
import { chainNext, chainStart } from '@agent-iam/standards/hash-chain'
import { fromHex, toHex } from '@agent-iam/standards/hex'
import { leafHash } from '@agent-iam/standards/merkle'
import type { z } from 'zod'
import { AgentIamError } from './errors.ts'

/** One answer of `GET /api/v1/audit/leaves`. */
export type LeavesPage = z.output<typeof listAuditLeaves.response>
type Leaf = LeavesPage['leaves'][number]

/** Gives the leaves from a sequence on, as many as fit a page, with the head of that moment. */
export type LeafSource = (from: number) => Promise<LeavesPage>

/** One answer of `GET /api/v1/audit/differences`. */
export type DifferencesPage = z.output<typeof listAuditDifferences.response>

/** Compares stored columns with the leaves from a sequence on, as many as fit a page. */
export type DifferenceSource = (from: number) => Promise<DifferencesPage>

/** The head of a log as it was seen before. */
export type KeptHead = Pick<AuditHead, 'log' | 'size' | 'chain'>

/** What can be wrong with a log. */
export type AuditFault =
  | 'bytes-changed'
  | 'entry-missing'
  | 'chain-broken'
  | 'log-shorter'
  | 'log-replaced'
  | 'head-differs'
  | 'column-differs'

export type AuditVerdict =
  | {
      readonly status: 'verified'
      /** The head that was reached. */
      readonly head: KeptHead
      /** How many entries were recomputed. */
      readonly entries: number
      /** Whether the log was seen to continue the head that was kept. */
      readonly continuesKept: boolean
    }
  | {
      readonly status: 'broken'
      readonly log: string
      /** The first entry that is not as it was. */
      readonly sequence: number
      /** The column of the database that differs from the entry, for `column-differs`. */
      readonly column?: string
      readonly fault: AuditFault
      readonly detail: string
    }

export interface VerifyOptions {
  /** The sequence to begin with; what lies before is then taken on trust. */
  readonly from?: number
  /** What was seen last time: without it, a log rewritten as a whole looks sound. */
  readonly kept?: KeptHead | undefined
  /** Lists the columns that differ from the entries: without it, only the entries are verified, not what searches go by. */
  readonly readDifferences?: DifferenceSource
}

/**
 * Recomputes every hash of an audit log from its stored bytes, and compares with the head that the server shows and
 * the one kept from last time. It checks the log as long as it was at the first page; it may grow meanwhile. What searches
 * go by is compared by the server: it has the columns, which are in no hash.
 *
 * It cannot detect a log rewritten before it was first seen: only signed checkpoints, kept elsewhere, can.
 */
export async function verifyAuditLog(readLeaves: LeafSource, options: VerifyOptions = {}): Promise<AuditVerdict> {
  const { from = 0, kept } = options
  const first = await readLeaves(Math.max(from - 1, 0))
  const { head } = first
  if (from > head.size) throw new AgentIamError(`the log holds ${head.size} entries; there is none from ${from} on`)
  const fault = compareWithKept(head, kept)
  if (fault) return fault

  const walk = new Walk(head, kept)
  const started = from > 0 ? walk.startAfter(first.leaves[0], from) : undefined
  const verdict = started ?? (await walkPages(walk, first, readLeaves)) ?? walk.finish(from)
  const { readDifferences } = options
  if (verdict.status === 'broken' || !readDifferences) return verdict
  return (await findDifference(head.log, from, readDifferences)) ?? verdict
}

async function findDifference(
  log: string,
  from: number,
  readDifferences: DifferenceSource,
): Promise<AuditVerdict | undefined> {
  for (let start: number | null = from; start !== null;) {
    const { next, differences }: DifferencesPage = await readDifferences(start)
    const [first] = differences
    if (first) return columnDiffers(log, first)
    if (next !== null && next <= start) throw new AgentIamError('the server lists the same differences again and again')
    start = next
  }
  return undefined
}

function columnDiffers(log: string, { sequence, column }: DifferencesPage['differences'][number]): AuditVerdict {
  const detail = `its column ${column} in the database is not what the entry says, so a search may miss or show it wrongly`
  return { status: 'broken', log, sequence, column, fault: 'column-differs', detail }
}

function compareWithKept(head: AuditHead, kept: KeptHead | undefined): AuditVerdict | undefined {
  if (!kept) return undefined
  const { log, size } = head
  if (log !== kept.log)
    return broken(log, 0, 'log-replaced', `this is another log than last time, which was ${kept.log}`)
  if (size < kept.size)
    return broken(log, size, 'log-shorter', `the log holds ${size} entries, and held ${kept.size} last time`)
  return undefined
}

async function walkPages(walk: Walk, first: LeavesPage, readLeaves: LeafSource): Promise<AuditVerdict | undefined> {
  let page = { ...first, leaves: first.leaves.filter(({ sequence }) => sequence >= walk.next) }
  while (walk.next < walk.size) {
    if (page.leaves.length === 0) page = await readLeaves(walk.next)
    if (page.head.log !== walk.log)
      return broken(walk.log, walk.next, 'log-replaced', `the server changed to another log, ${page.head.log}`)
    const fault = walk.page(page)
    if (fault) return fault
    page = { ...page, leaves: [] }
  }
  return undefined
}

/** The way through a log: what comes next, and the chain so far. */
class Walk {
  readonly log: AuditHead['log']
  readonly size: number
  next = 0
  readonly #head: AuditHead
  readonly #kept: KeptHead | undefined
  #chain: Uint8Array = chainStart
  #metKept = false

  constructor(head: AuditHead, kept: KeptHead | undefined) {
    this.log = head.log
    this.size = head.size
    this.#head = head
    this.#kept = kept
  }

  /** Takes the chain before `from` as the server states it. */
  startAfter(before: Leaf | undefined, from: number): AuditVerdict | undefined {
    this.next = from - 1
    if (before?.sequence !== this.next) return this.#missing()
    this.next = from
    this.#chain = fromHex(before.chain)
    return this.#meetKept()
  }

  page({ leaves }: LeavesPage): AuditVerdict | undefined {
    if (leaves.length === 0) return this.#missing()
    for (const leaf of leaves) {
      if (this.next >= this.size) return undefined
      const fault = this.#step(leaf)
      if (fault) return fault
    }
    return undefined
  }

  finish(from: number): AuditVerdict {
    const chain = toHex(this.#chain)
    if (chain !== this.#head.chain)
      return broken(this.log, this.size, 'head-differs', 'the entries do not add up to the head that the server shows')
    const head = { log: this.log, size: this.size, chain }
    return { status: 'verified', head, entries: this.size - Math.min(from, this.size), continuesKept: this.#metKept }
  }

  #step(leaf: Leaf): AuditVerdict | undefined {
    if (leaf.sequence !== this.next) return this.#missing()
    const hash = recompute(leaf.leaf)
    if (!hash || toHex(hash) !== leaf.leafHash)
      return broken(this.log, this.next, 'bytes-changed', 'its bytes are not those that its hash was made of')
    this.#chain = chainNext(this.#chain, hash)
    if (toHex(this.#chain) !== leaf.chain)
      return broken(this.log, this.next, 'chain-broken', 'it is not the entry that the chain was made of')
    this.next += 1
    return this.#meetKept()
  }

  #meetKept(): AuditVerdict | undefined {
    if (this.#kept?.size !== this.next) return undefined
    this.#metKept = this.#kept.chain === toHex(this.#chain)
    if (this.#metKept) return undefined
    return broken(this.log, this.next - 1, 'head-differs', 'up to here the log is not the one that was seen last time')
  }

  #missing(): AuditVerdict {
    return broken(this.log, this.next, 'entry-missing', 'there is no entry where it should be')
  }
}

function broken(log: string, sequence: number, fault: AuditFault, detail: string): AuditVerdict {
  return { status: 'broken', log, sequence, fault, detail }
}

/** The hash of a leaf's stored bytes; undefined when the text is no bytes at all. */
function recompute(leaf: string): Uint8Array | undefined {
  try {
    return leafHash(fromBase64url(leaf.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')))
  } catch (error) {
    if (error instanceof MalformedBase64Error) return undefined
    throw error
  }
}
