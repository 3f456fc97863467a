import { readString, writeString } from './cedar-strings.ts'
import type { Policy } from './model.ts'

/** What a file says of a policy beside its text, as Cedar annotations. */
export const annotationNames = ['id', 'name', 'description', 'status', 'priority'] as const
type AnnotationName = (typeof annotationNames)[number]
export type Annotations = Readonly<Partial<Record<AnnotationName, string>>>

/** One policy of a file. */
export interface FiledPolicy {
  /** Where it begins: lines and columns count from 1. */
  readonly line: number
  readonly column: number
  readonly annotations: Annotations
  /** Without our annotations. */
  readonly cedar: string
  /** With blanks in place of our annotations, so that whatever is wrong with it lies where it does in the file. */
  readonly inPlace: string
}

/** A policy as it stands in a file: what is known of it, then its text. */
export function writePolicy({ id, name, description, status, priority, cedar }: Policy): string {
  const said: Annotations = { id, name, description, status, priority: `${priority}` }
  const lines = annotationNames.map((each) => `@${each}(${writeString(said[each] ?? '')})\n`)
  return `${lines.join('')}${coreOf(cedar)}\n`
}

/** A policy's text without what a file cannot keep: our own annotations, blanks around it, and what follows its end. */
export function coreOf(cedar: string): string {
  return splitFile(cedar)[0]?.cedar ?? cedar.trim()
}

/**
 * The policies of a file, in order, or so many of them. What no policy ends is one too: its reader says what is wrong with
 * it.
 */
export function splitFile(file: string, policiesMax = Number.POSITIVE_INFINITY): FiledPolicy[] {
  const ends: number[] = []
  for (const { 0: token, index } of file.matchAll(stringCommentOrEnd)) {
    if (ends.length === policiesMax) break
    if (token === ';') ends.push(index + 1)
  }
  const last = ends.at(-1) ?? 0
  if (ends.length < policiesMax && skipBlanks(file, last) < file.length) ends.push(file.length)

  const parts: FiledPolicy[] = []
  let place = { at: 0, line: 1, column: 1 }
  for (const end of ends) {
    const begun = skipSpace(file, place.at)
    place = moveTo(file, place, begun)
    parts.push({ line: place.line, column: place.column, ...readAnnotations(file.slice(begun, end)) })
    place = moveTo(file, place, end)
  }
  return parts
}

interface Place {
  readonly at: number
  readonly line: number
  readonly column: number
}

function moveTo(file: string, from: Place, at: number): Place {
  const lines = file.slice(from.at, at).split('\n')
  const characters = Array.from(lines.at(-1) ?? '').length
  if (lines.length === 1) return { at, line: from.line, column: from.column + characters }
  return { at, line: from.line + lines.length - 1, column: characters + 1 }
}

/** A string or comment that never ends lasts to the end of the file. */
const stringCommentOrEnd = /"(?:[^"\\]|\\.?)*"?|\/\/[^\n]*|;/gs

function readAnnotations(text: string): Omit<FiledPolicy, 'line' | 'column'> {
  const annotations: Partial<Record<AnnotationName, string>> = {}
  let [cedar, inPlace] = ['', '']
  let at = 0
  for (const found of leadingAnnotations(text)) {
    const name = annotationNames.find((each) => each === found.name)
    if (name === undefined || found.value === undefined || annotations[name] !== undefined) continue
    annotations[name] = found.value
    cedar += text.slice(at, found.start)
    inPlace += text.slice(at, found.start) + text.slice(found.start, found.end).replace(/[^\n]/g, ' ')
    at = found.end
  }
  return { annotations, cedar: (cedar + text.slice(at)).trim(), inPlace: inPlace + text.slice(at) }
}

interface FoundAnnotation {
  readonly name: string
  readonly value: string | undefined
  readonly start: number
  /** After the line break, where one follows at once. */
  readonly end: number
}

/** Annotations stand before a policy's effect, with blanks and comments between. */
function leadingAnnotations(text: string): FoundAnnotation[] {
  const found: FoundAnnotation[] = []
  for (let at = skipBlanks(text, 0); text[at] === '@'; at = skipBlanks(text, at)) {
    annotation.lastIndex = at
    const match = annotation.exec(text)
    if (!match) return found
    const [whole, name = '', written] = match
    found.push({ name, value: written === undefined ? '' : readString(written), start: at, end: at + whole.length })
    at += whole.length
  }
  return found
}

const annotation = /@[^\S\n]*([A-Za-z_]\w*)[^\S\n]*(?:\([^\S\n]*"((?:[^"\\]|\\.)*)"[^\S\n]*\))?[^\S\n]*\n?/suy

/** Where white space and comments end. */
function skipBlanks(text: string, from: number): number {
  let at = skipSpace(text, from)
  while (text.startsWith('//', at)) {
    const end = text.indexOf('\n', at)
    at = end === -1 ? text.length : skipSpace(text, end)
  }
  return at
}

function skipSpace(text: string, from: number): number {
  space.lastIndex = from
  return from + (space.exec(text)?.[0].length ?? 0)
}

const space = /\s*/y
