import { CodePoints } from './code-points.ts'
import {
  joinsLeft as joinsLeftTable,
  joinsRight as joinsRightTable,
  restricted as restrictedTable,
  transparent as transparentTable,
  unordered as unorderedTable,
  virama as viramaTable,
  vowelDependent as vowelDependentTable,
} from './unicode-tables.ts'

/**
 * What nobody sees, or what shows other text in another order: controls, formats and bidirectional marks, private and
 * unassigned characters, separators of lines, Default_Ignorable_Code_Point, and the two blank symbols.
 */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1d159}]/u

const nonJoiner = '\u200c'
const joiner = '\u200d'

/** Emoji as Unicode recommends them for general interchange: the invisible characters within them are part of a picture. */
const emoji = /\p{RGI_Emoji}/gv

/**
 * The first character of a text that a name may not have; undefined: none.
 *
 * An invisible character is allowed inside an emoji. ZERO WIDTH NON-JOINER and ZERO WIDTH JOINER are allowed where they
 * change how letters join (UAX 31, A1, A2 and B), as Persian and Sinhala need. A letter, mark or digit needs
 * Identifier_Status=Allowed (UTS 39), or Restricted only because its script is of limited use.
 */
export function refusedIn(text: string): string | undefined {
  for (const part of text.split(emoji)) {
    const characters = Array.from(part)
    const refused = characters.find((_, at) => isRefused(characters, at))
    if (refused !== undefined) return refused
  }
  return undefined
}

/** A text of somebody else, such as an application's own name, without what a name may not have. */
export function withoutRefused(text: string): string {
  const wellFormed = text.toWellFormed().normalize('NFC')
  const pictures = wellFormed.match(emoji) ?? []
  const parts = wellFormed.split(emoji).map((part) => {
    const characters = Array.from(part)
    return characters.filter((_, at) => !isRefused(characters, at)).join('')
  })
  return parts.map((part, n) => part + (pictures[n] ?? '')).join('')
}

const restricted = new CodePoints(restrictedTable)
const joinsLeft = new CodePoints(joinsLeftTable)
const joinsRight = new CodePoints(joinsRightTable)
const transparent = new CodePoints(transparentTable)
const virama = new CodePoints(viramaTable)
const unordered = new CodePoints(unorderedTable)
const vowelDependent = new CodePoints(vowelDependentTable)

type Text = readonly string[]

function isRefused(text: Text, at: number): boolean {
  const character = text[at] ?? ''
  if (!unseen.test(character)) return restricted.has(character)
  if (character === nonJoiner)
    return !isBetweenJoining(text, at) && !(isAfterVirama(text, at) && isBeforeLetter(text, at))
  if (character === joiner) return !isAfterVirama(text, at) || vowelDependent.has(text[at + 1])
  return true
}

/** A1: it keeps apart two letters that would join. */
function isBetweenJoining(text: Text, at: number): boolean {
  const left = walk(text, at, -1, (each) => transparent.has(each))
  const right = walk(text, at, 1, (each) => transparent.has(each))
  return joinsLeft.has(text[left]) && joinsRight.has(text[right])
}

/** A2 and B: a letter with a virama stands before it. */
function isAfterVirama(text: Text, at: number): boolean {
  const isOrdered = (each: string) => isMark(each) && !unordered.has(each) && !virama.has(each)
  const sign = walk(text, at, -1, isOrdered)
  return virama.has(text[sign]) && isLetter(text[walk(text, sign, -1, isMark)])
}

/** A2: a letter follows, with which it would form a conjunct. */
function isBeforeLetter(text: Text, at: number): boolean {
  return isLetter(text[walk(text, at, 1, (each) => isMark(each) && !unordered.has(each))])
}

/** Where the walk from a character, over those that it passes over, ends. */
function walk(text: Text, from: number, step: 1 | -1, passesOver: (character: string) => boolean): number {
  let at = from + step
  for (let each = text[at]; each !== undefined && passesOver(each); each = text[at]) at += step
  return at
}

const letter = /\p{L}/u
const mark = /\p{Mn}/u

function isLetter(character: string | undefined): boolean {
  return character !== undefined && letter.test(character)
}

function isMark(character: string): boolean {
  return mark.test(character)
}
