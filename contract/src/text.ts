import { z } from 'zod'

/** C0 and C1 controls, and the bidirectional marks that can make a name read as another (Unicode TR 36). */
// oxlint-disable-next-line no-control-regex -- naming the control characters is the point
export const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u

/** Longest name of anything: it must fit a table cell and a log line. */
export const nameCharactersMax = 100

/** A name that people read: NFC, trimmed, without control or bidirectional characters. */
export const Name = z
  .string()
  .min(1)
  .max(nameCharactersMax)
  .refine(
    (name) => name.isWellFormed() && !invisible.test(name),
    'holds a control, invisible or bidirectional character',
  )
  .refine((name) => name === name.trim(), 'starts or ends with a space')
  .transform((name) => name.normalize('NFC'))

/** Longest tag: a word or two. */
const tagCharactersMax = 50
/** Most tags of one identity. */
const tagsMax = 20

/** A word to find an identity by: NFC, without control or bidirectional characters. */
export const Tag = z
  .string()
  .min(1)
  .max(tagCharactersMax)
  .refine((tag) => tag.isWellFormed() && !invisible.test(tag), 'holds a control, invisible or bidirectional character')
  .refine((tag) => tag === tag.trim(), 'starts or ends with a space')
  .transform((tag) => tag.normalize('NFC'))

/** Each counts once. */
export const Tags = z
  .array(Tag)
  .max(tagsMax)
  .transform((tags) => [...new Set(tags)])

/** Longest free text, such as a reason: a paragraph. */
export const freeTextCharactersMax = 1000

const isKeepable = (text: string) => text.isWellFormed() && !text.includes('\u0000')
const notKeepable = 'holds a NUL or half a character'

/** Text a caller writes for people to read; kept sealed in the audit log. */
export const FreeText = z.string().max(freeTextCharactersMax).refine(isKeepable, notKeepable)

/** Text that a list is searched by: whatever may be stored, and no longer than what it is compared with. */
export const SearchText = (charactersMax: number) => z.string().max(charactersMax).refine(isKeepable, notKeepable)

/** An instant in UTC, ISO 8601, such as `2030-01-01T12:00:00.000Z`. */
export const Instant = z.iso.datetime()

/** A SHA-256 digest, 64 hex digits. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)
