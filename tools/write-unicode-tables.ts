// Writes the tables of names from Unicode's data: contract/src/unicode-tables.ts and server/src/lib/confusable-tables.ts.
// How the argument is made, and from what: tools/unicode/README.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { skeletons } from './unicode/skeletons.ts'

const Ranges = z.array(z.tuple([z.int(), z.int()]))
const Properties = z.object({
  unicode: z.string(),
  joinsLeft: Ranges,
  joinsRight: Ranges,
  transparent: Ranges,
  virama: Ranges,
  combiningClassZero: Ranges,
  vowelDependent: Ranges,
  restricted: Ranges,
  prototypes: z.record(z.string(), z.array(z.int())),
})
type Ranges = z.infer<typeof Ranges>

const [path] = process.argv.slice(2)
if (path === undefined) throw new Error('name the file that UnicodeProperties.java printed')
const properties = Properties.parse(JSON.parse(readFileSync(path, 'utf8')))

const head = `// Written by tools/write-unicode-tables.ts from Unicode ${properties.unicode}. See tools/unicode/README.md.\n`
const lineCharacters = 100

writeFileSync(
  'contract/src/unicode-tables.ts',
  [
    head,
    table('joinsLeft', 'Joining_Type L or D.', ranges(properties.joinsLeft)),
    table('joinsRight', 'Joining_Type R or D.', ranges(properties.joinsRight)),
    table('transparent', 'Joining_Type T.', ranges(properties.transparent)),
    table('virama', 'Canonical_Combining_Class 9.', ranges(properties.virama)),
    table('unordered', 'Nonspacing marks of Canonical_Combining_Class 0.', among(/\p{Mn}/u, 'combiningClassZero')),
    table('vowelDependent', 'Indic_Syllabic_Category Vowel_Dependent.', ranges(properties.vowelDependent)),
    table(
      'restricted',
      'Letters, marks and digits of Identifier_Status Restricted, but for those only of limited use.',
      among(/[\p{L}\p{M}\p{Nd}\p{Nl}]/u, 'restricted'),
    ),
  ].join('\n'),
)

const prototypes = new Map(
  Object.entries(properties.prototypes).map(([point, to]) => [
    String.fromCodePoint(Number(point)),
    String.fromCodePoint(...to),
  ]),
)
writeFileSync(
  'server/src/lib/confusable-tables.ts',
  [head, table('lookalikes', 'What a character is folded to where `fold` alone does not do it.', folds())].join('\n'),
)

function folds(): string {
  let last = 0
  return [...skeletons(prototypes)]
    .map(([from, to]) => {
      const point = from.codePointAt(0) ?? 0
      const [step, points] = [point - last, Array.from(to, (each) => each.codePointAt(0) ?? 0)]
      last = point
      return [step, ...points].map((each) => each.toString(36)).join('.')
    })
    .join(' ')
}

/** Those of a property that a regular expression finds as well. */
function among(wanted: RegExp, name: 'combiningClassZero' | 'restricted'): string {
  const points = properties[name].flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, n) => from + n))
  const found: Ranges = []
  for (const point of points.filter((each) => wanted.test(String.fromCodePoint(each)))) {
    const last = found.at(-1)
    if (last?.[1] === point - 1) last[1] = point
    else found.push([point, point])
  }
  return ranges(found)
}

/** Distances in base 36: from the end of the last range to the start of this one, and to its end where that is another. */
function ranges(all: Ranges): string {
  let last = 0
  return all
    .map(([from, to]) => {
      const distances = to === from ? [from - last] : [from - last, to - from]
      last = to
      return distances.map((each) => each.toString(36)).join('.')
    })
    .join(' ')
}

function table(name: string, what: string, text: string): string {
  const lines = text.match(new RegExp(`.{1,${lineCharacters}}`, 'gu')) ?? []
  return `/** ${what} */\nexport const ${name} = [\n${lines.map((line) => `  '${line}',\n`).join('')}].join('')\n`
}
