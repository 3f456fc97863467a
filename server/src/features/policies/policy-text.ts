/** What is wrong with a policy, and where: lines and columns count from 1. */
export interface PolicyFault {
  readonly message: string
  readonly line?: number
  readonly column?: number
}

/** The library tells places in UTF-8 bytes. */
export function positionAt(text: string, byteOffset: number): { line: number; column: number } {
  const lines = Buffer.from(text).subarray(0, byteOffset).toString().split('\n')
  return { line: lines.length, column: Array.from(lines.at(-1) ?? '').length + 1 }
}

/** The first bracket deeper than `depthMax`. Strings and comments hold none. */
export function findDeepBracket(text: string, depthMax: number): { line: number; column: number } | undefined {
  let depth = 0
  for (const { 0: token, index } of text.matchAll(stringCommentOrBracket)) {
    if ('([{'.includes(token)) depth += 1
    if (')]}'.includes(token)) depth -= 1
    if (depth > depthMax) return positionAt(text, Buffer.byteLength(text.slice(0, index)))
  }
  return undefined
}

/** Where an attribute of `resource.attributes` is first named; undefined where it is spelt otherwise than people do. */
export function findAttribute(text: string, name: string): { line: number; column: number } | undefined {
  const wanted = [name, JSON.stringify(name)]
  let before = ['', '']
  for (const { 0: token, index } of text.matchAll(stringCommentWordOrMark)) {
    const [holder = '', mark = ''] = before
    if (wanted.includes(token) && holder === 'attributes' && ['.', '[', 'has'].includes(mark))
      return positionAt(text, Buffer.byteLength(text.slice(0, index)))
    if (!token.startsWith('//')) before = [mark, token]
  }
  return undefined
}

const stringCommentWordOrMark = /"(?:[^"\\]|\\.?)*"?|\/\/[^\n]*|\w+|[^\s\w"]/gs

/** A string or comment that never ends lasts to the end of the text: looking for its end again and again would take too long. */
const stringCommentOrBracket = /"(?:[^"\\]|\\.?)*"?|\/\/[^\n]*|[([{]|[)\]}]/gs
