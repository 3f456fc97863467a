import { Problem } from './problem.ts'

/** The revisions of which a caller will have one changed; undefined: whichever there is. */
export type IfMatch = readonly number[] | undefined

/** Strong tags (RFC 9110 §8.8.3) as the header lists them; a weak one is kept, and matches nothing. */
const entityTag = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g
const entityTags = /^ *(W\/)?"[\x21\x23-\x7e\x80-\xff]*"( *, *(W\/)?"[\x21\x23-\x7e\x80-\xff]*")* *$/

/** Reads the header `If-Match`. A tag that is none of ours matches nothing. */
export function readIfMatch(header: string | undefined): IfMatch {
  if (header === undefined || header.trim() === '*') return undefined
  if (!entityTags.test(header))
    throw new Problem('invalid-request', 'If-Match: is the ETag of an earlier answer, in its quotes, or *')
  const tags = [...header.matchAll(entityTag)]
  return tags.flatMap(([, weak, tag = '']) => (weak === undefined && /^[1-9]\d{0,14}$/.test(tag) ? [Number(tag)] : []))
}

/** The strong tag of a revision. */
export function entityTagOf(revision: number): string {
  return `"${revision}"`
}

/** Throws `precondition-failed` unless what was loaded, and is held, is a revision that the caller will have changed. */
export function requireRevision(held: { readonly id: string; readonly revision: number }, ifMatch: IfMatch): void {
  if (ifMatch === undefined || ifMatch.includes(held.revision)) return
  throw new Problem('precondition-failed', `${held.id} is at revision ${held.revision} now; read it again`)
}
