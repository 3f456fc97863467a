/** Lines shown around each change. */
const aroundMax = 3

/**
 * Most steps that looking for common lines may take. Beyond them, what lies between the first and the last difference is told
 * as one change: true, only longer than need be.
 */
const stepsMax = 1_000_000

type Line = { readonly sign: ' ' | '-' | '+'; readonly text: string }

/** How the lines of one text become those of another, unified (`diff -u` without its head); empty for the same text. */
export function lineDiff(from: string, to: string): string {
  const lines = compare(from.split('\n'), to.split('\n'))
  return hunksOf(lines)
    .map(([start, end]) => writeHunk(lines, start, end))
    .join('\n')
}

function compare(from: readonly string[], to: readonly string[]): Line[] {
  const head = commonStart(from, to)
  const tail = commonStart(from.slice(head).toReversed(), to.slice(head).toReversed())
  const [gone, come] = [from.slice(head, from.length - tail), to.slice(head, to.length - tail)]
  const middle =
    gone.length * come.length > stepsMax ? [...gone.map(removed), ...come.map(added)] : compareByTable(gone, come)
  return [...from.slice(0, head).map(kept), ...middle, ...from.slice(from.length - tail).map(kept)]
}

function commonStart(some: readonly string[], others: readonly string[]): number {
  const end = some.findIndex((line, index) => line !== others[index])
  return end === -1 ? some.length : end
}

/** By the longest common subsequence of what is left at each pair of places. */
function compareByTable(from: readonly string[], to: readonly string[]): Line[] {
  const common = commonLengths(from, to)
  const lines: Line[] = []
  let [i, j] = [0, 0]
  while (i < from.length && j < to.length) {
    const [gone = '', come = ''] = [from[i], to[j]]
    if (gone === come) {
      lines.push(kept(gone))
      i++
      j++
    } else if (common(i + 1, j) >= common(i, j + 1)) {
      lines.push(removed(gone))
      i++
    } else {
      lines.push(added(come))
      j++
    }
  }
  return [...lines, ...from.slice(i).map(removed), ...to.slice(j).map(added)]
}

/** How many lines the rests of two texts have in common, in order. */
function commonLengths(from: readonly string[], to: readonly string[]): (i: number, j: number) => number {
  const width = to.length + 1
  const table = new Uint32Array((from.length + 1) * width)
  const at = (i: number, j: number) => table[i * width + j] ?? 0
  for (let i = from.length - 1; i >= 0; i--)
    for (let j = to.length - 1; j >= 0; j--)
      table[i * width + j] = from[i] === to[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  return at
}

/** Where each group of changes begins and ends, with the lines around it; groups that touch are one. */
function hunksOf(lines: readonly Line[]): [start: number, end: number][] {
  const hunks: [number, number][] = []
  for (const [index, { sign }] of lines.entries()) {
    if (sign === ' ') continue
    const [start, end] = [Math.max(0, index - aroundMax), Math.min(lines.length, index + aroundMax + 1)]
    const last = hunks.at(-1)
    if (last && start <= last[1]) last[1] = end
    else hunks.push([start, end])
  }
  return hunks
}

function writeHunk(lines: readonly Line[], start: number, end: number): string {
  const [before, shown] = [lines.slice(0, start), lines.slice(start, end)]
  const range = (other: Line['sign']) => {
    const count = shown.filter(({ sign }) => sign !== other).length
    const first = before.filter(({ sign }) => sign !== other).length + (count === 0 ? 0 : 1)
    return `${first},${count}`
  }
  const text = shown.map(({ sign, text: line }) => `${sign}${line}`)
  return [`@@ -${range('+')} +${range('-')} @@`, ...text].join('\n')
}

const kept = (text: string): Line => ({ sign: ' ', text })
const removed = (text: string): Line => ({ sign: '-', text })
const added = (text: string): Line => ({ sign: '+', text })
