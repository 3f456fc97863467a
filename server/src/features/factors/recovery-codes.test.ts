import { expect, test } from 'vitest'
import { digestOfCode } from './recovery-codes.ts'

test.each([
  '0123-4567-89ab-cdef',
  '0123456789ABCDEF',
  ' 0123 4567 89ab cdef ',
  'oi23-4567-89ab-cdef',
  'OL23456789abcdef',
])('%j is the same code however it is typed', (typed) => {
  expect(digestOfCode(typed)).toEqual(digestOfCode('0123-4567-89ab-cdef'))
})

test('another code has another digest', () => {
  expect(digestOfCode('0123-4567-89ab-cdeg')).not.toEqual(digestOfCode('0123-4567-89ab-cdef'))
})
