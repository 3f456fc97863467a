import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lineDiff } from './line-diff.ts'

test('the same text differs in nothing', () => {
  expect(lineDiff('a\nb', 'a\nb')).toBe('')
})

test('a change is shown with three lines around it', () => {
  const from = ['1', '2', '3', '4', '5', '6', '7', '8', '9']
  const to = from.with(4, 'five')
  expect(lineDiff(from.join('\n'), to.join('\n'))).toBe(
    ['@@ -2,7 +2,7 @@', ' 2', ' 3', ' 4', '-5', '+five', ' 6', ' 7', ' 8'].join('\n'),
  )
})

test('changes far from each other are told apart', () => {
  const from = Array.from({ length: 30 }, (_, n) => `${n}`)
  const diff = lineDiff(from.join('\n'), [...from.slice(1), 'end'].join('\n'))
  expect(diff.split('\n').filter((line) => line.startsWith('@@'))).toEqual(['@@ -1,4 +1,3 @@', '@@ -28,3 +27,4 @@'])
})

test('two long texts with nothing in common are compared at once', () => {
  const [from, to] = ['x', 'y'].map((letter) => Array.from({ length: 32_000 }, (_, n) => `${letter}${n}`).join('\n'))
  const started = performance.now()
  expect(lineDiff(from ?? '', to ?? '')).toContain('@@ -1,32000 +1,32000 @@')
  expect(performance.now() - started).toBeLessThan(1000)
})

test('what is shown turns one text into the other', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', '', 'd '), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(text, text, (from, to) => {
      expect(patched(from, lineDiff(from.join('\n'), to.join('\n')))).toEqual(to)
    }),
  )
})

/** Applies a diff as `patch` would; a line that is not where the diff has it spoils the result. */
function patched(from: readonly string[], diff: string): string[] {
  const to: string[] = []
  let at = 0
  for (const line of diff === '' ? [] : diff.split('\n')) {
    const hunk = /^@@ -(\d+),(\d+) /.exec(line)
    const [sign, text] = [line[0], line.slice(1)]
    if (hunk) {
      const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1)
      to.push(...from.slice(at, start))
      at = start
    } else if (sign === '+') to.push(text)
    else if (from[at++] !== text) return ['spoilt']
    else if (sign === ' ') to.push(text)
  }
  return [...to, ...from.slice(at)]
}
