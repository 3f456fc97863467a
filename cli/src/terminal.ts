import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { AgentIamError } from '@agent-iam/sdk'

// C0 and C1 controls, line and paragraph separators, and the marks that reorder text: what could move the cursor,
// forge a line, or make a name read as another.
// oxlint-disable-next-line no-control-regex -- naming the control characters is the point
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** Text from elsewhere as a terminal may show it: what could command the terminal is spelt out. */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** Rows in aligned columns under a head, made printable. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const cells = [head, ...rows].map((row) => row.map(printable))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return cells.map((row) => `${line(row).trimEnd()}\n`).join('')
}

/** Asks on the terminal; `hidden` shows nothing of what is typed. */
export async function askOnTerminal(question: string, hidden: boolean): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  if (hidden) process.stderr.write(question)
  const lines = createInterface({
    input: process.stdin,
    output: hidden ? silent : process.stderr,
    terminal: process.stdin.isTTY,
  })
  try {
    const nothing = once(lines, 'close').then(() => {
      throw new AgentIamError('nothing was entered')
    })
    return await Promise.race([lines.question(hidden ? '' : question), nothing])
  } finally {
    lines.close()
    if (hidden) process.stderr.write('\n')
  }
}
