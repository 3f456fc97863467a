import type { SearchPage } from '@agent-iam/contract/authzen'
import { searchResultsMax } from '@agent-iam/contract/authzen'
import { canonicalJson } from '@agent-iam/standards/jcs'
import { sha256 } from '../../platform/digest.ts'
import { decodeCursor, encodeCursor } from '../../platform/paging.ts'
import { Problem } from '../../platform/problem.ts'

/** Which part of a search is wanted. */
export interface Part {
  /** What was decided last for the page before; undefined for the first page. */
  readonly after: string | undefined
  /** Most results. */
  readonly limit: number
}

/**
 * Reads `page` of a search. A token holds what it is for: with another question, or another limit, it is refused
 * (Authorization API 1.0 §8.2).
 */
export function readPage(question: object, { token, limit }: SearchPage = {}): Part {
  const most = Math.min(limit ?? searchResultsMax, searchResultsMax)
  if (token === undefined || token === '') return { after: undefined, limit: most }
  const [digest, limitBefore, after = ''] = decodeCursor(token, 3)
  if (digest !== digestOf(question)) throw refusal('token', 'is of another search; change nothing from page to page')
  if (limit !== undefined && `${most}` !== limitBefore) throw refusal('limit', 'is another than on the page before')
  // A page of no results ended before anything was decided.
  return { after: after === '' ? undefined : after, limit: Number(limitBefore) }
}

/** The token of the page after; empty on the last (§8.2.2). */
export function nextToken(question: object, limit: number, position: string | undefined): string {
  return position === undefined ? '' : encodeCursor([digestOf(question), limit, position])
}

function digestOf(question: object): string {
  return sha256(canonicalJson(question)).toString('base64url')
}

function refusal(field: string, message: string): Problem {
  return new Problem('invalid-request', `page.${field}: ${message}`, { errors: [{ field: `page.${field}`, message }] })
}
