import { expect, test } from 'vitest'
import { LargeSetTurns } from './large-set-turns.ts'

function drain(turns: LargeSetTurns<string>): string[] {
  const order: string[] = []
  for (let turn = turns.next(); turn; turn = turns.next()) order.push(turn.task)
  return order
}

test('tenants take turns, each with its own tasks in order', () => {
  const turns = new LargeSetTurns<string>()
  for (const task of ['a1', 'a2', 'a3']) turns.add('a', task)
  turns.add('b', 'b1')
  turns.add('c', 'c1')
  turns.add('b', 'b2')
  expect(turns.size).toBe(6)
  expect(drain(turns)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  expect(turns.size).toBe(0)
})

test('who comes while others are served comes after them', () => {
  const turns = new LargeSetTurns<string>()
  turns.add('a', 'a1')
  turns.add('b', 'b1')
  turns.next()
  turns.add('a', 'a2')
  expect(drain(turns)).toEqual(['b1', 'a2'])
})

test('what waits counts as long as the tenant’s last took, and nobody else’s counts', () => {
  const turns = new LargeSetTurns<string>()
  expect(turns.backlogMs('a')).toBe(0)
  turns.add('a', 'a1')
  turns.add('a', 'a2')
  expect(turns.backlogMs('a')).toBe(2)
  turns.took('a', 200)
  expect([turns.backlogMs('a'), turns.backlogMs('b')]).toEqual([400, 0])
  turns.took('a', 0.1)
  expect(turns.backlogMs('a')).toBe(2)
})
