import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coreOf, splitFile, writePolicy } from './policy-file.ts'
import type { Policy } from './model.ts'

const simple = 'permit(principal, action, resource);'

function policyOf(cedar: string, head: Partial<Policy> = {}): Policy {
  const [createdAt, createdBy] = [new Date(0), 'usr_x']
  const text = { cedar, effect: 'permit', isUnscoped: true } as const
  const versions = { version: 1, activeVersion: 1, revision: 1 }
  const said = { name: 'a name', description: '', status: 'active', priority: 0, pack: undefined } as const
  return { id: 'pol_1', ...said, ...text, ...versions, createdBy, createdAt, updatedAt: createdAt, ...head }
}

describe('a file of policies', () => {
  test('holds what is known of each, and its text as it was', () => {
    const policy = policyOf(`// why\n@owner("me")\n${simple}`, { name: 'a "name"', priority: -3, status: 'draft' })
    expect(writePolicy(policy)).toBe(
      `@id("pol_1")\n@name("a \\"name\\"")\n@description("")\n@status("draft")\n@priority("-3")\n// why\n@owner("me")\n${simple}\n`,
    )
  })

  test('is split at the ends of policies, not at what looks like one', () => {
    const parts = splitFile(
      `// a; b\n@name("x;y") ${simple}\n\n  forbid(principal, action, resource) // ;\n when { "};" == "" };\n// end`,
    )
    expect(parts.map(({ line, column, annotations }) => [line, column, annotations])).toEqual([
      [1, 1, { name: 'x;y' }],
      [4, 3, {}],
    ])
    expect(parts[0]?.cedar).toBe(`// a; b\n${simple}`)
    expect(parts[1]?.cedar).toBe('forbid(principal, action, resource) // ;\n when { "};" == "" };')
  })

  test('keeps what it does not end, and what is wrong where it is', () => {
    expect(splitFile('@id("a")\n  @name("b") permit(').map(({ inPlace, cedar }) => [inPlace, cedar])).toEqual([
      ['        \n             permit(', 'permit('],
    ])
    expect(splitFile('@name("a\\q") permit(')[0]).toMatchObject({ annotations: {}, cedar: '@name("a\\q") permit(' })
    expect(splitFile('// nothing\n')).toEqual([])
  })

  test('the second annotation of a name is the library’s to refuse', () => {
    expect(splitFile(`@id("a") @id("b") ${simple}`)[0]).toMatchObject({
      annotations: { id: 'a' },
      cedar: `@id("b") ${simple}`,
    })
  })

  test('that was written is read back, whatever the names and the comments say', () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 })
    const comment = fc.constantFrom('', '// a ; "b\n', '\n \n', '@note("x")\n', '@id("mine") ', '// @name("no")\n')
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text, comment), { maxLength: 4 }), (rows) => {
        const policies = rows.map(([name, description, before]) =>
          policyOf(`${before}${simple} // done`, { name, description }),
        )
        const read = splitFile(policies.map(writePolicy).join('\n'))
        expect(read.map(({ annotations }) => [annotations.name, annotations.description])).toEqual(
          rows.map(([name, description]) => [name, description]),
        )
        expect(read.map(({ cedar }) => cedar)).toEqual(policies.map(({ cedar }) => coreOf(cedar)))
      }),
    )
  })

  test('is read in one pass, whatever it holds', () => {
    const started = performance.now()
    for (const text of ['/'.repeat(500_000), '"'.repeat(500_001), '@a\n'.repeat(200_000), '@id("\\"'.repeat(100_000)])
      splitFile(text)
    expect(performance.now() - started).toBeLessThan(3000)
  })
})
