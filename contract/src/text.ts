import { z } from 'zod'
import { refusedIn } from './visible-text.ts'

/** Longest name of anything: it must fit a table cell and a log line. */
export const nameCharactersMax = 100

/** A word or name that people read and tell from others: NFC, trimmed, without characters that `refusedIn` finds. */
const Label = (charactersMax: number) =>
  z
    .string()
    .min(1)
    .max(charactersMax)
    .superRefine((text, refinement) => {
      const fault = faultOf(text)
      if (fault !== undefined) refinement.addIssue({ code: 'custom', message: fault })
    })
    .transform((text) => text.normalize('NFC'))

function faultOf(text: string): string | undefined {
  if (!text.isWellFormed()) return 'holds half a character'
  const refused = refusedIn(text.normalize('NFC'))
  if (refused !== undefined)
    return `holds ${codeOf(refused)}, which is invisible there or easily taken for another character`
  if (text !== text.trim()) return 'starts or ends with a space'
  return leadingMark.test(text) ? 'starts with a mark that belongs to a letter before it' : undefined
}

const leadingMark = /^\p{M}/u

/** A character as Unicode writes it, such as `U+200B`. */
function codeOf(character: string): string {
  const codeDigits = 4
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase()
  return `U+${code.padStart(codeDigits, '0')}`
}

/** A name that people read. */
export const Name = Label(nameCharactersMax)

/** Longest tag: a word or two. */
const tagCharactersMax = 50
/** Most tags of one identity. */
const tagsMax = 20

/** A word to find an identity by. */
export const Tag = Label(tagCharactersMax)

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
