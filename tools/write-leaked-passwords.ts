// Writes server/leaked-passwords.bin, the filter of leaked passwords, from lists with a password on each line:
// node --conditions=@agent-iam/source tools/write-leaked-passwords.ts ‹folder›. See docs/decisions/0036-leaked-passwords.md.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { passwordCharactersMin } from '@agent-iam/contract/passwords'
import { leakedForm } from '../server/src/features/credentials/leaked-passwords.ts'
import { buildXorFilter } from '../server/src/lib/xor-filter.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder of the lists')

const texts = new Set<string>()
for (const path of globSync('**/*.txt', { cwd: folder }).toSorted())
  for (const line of readFileSync(join(folder, path), 'utf8').split('\n')) add(line)

const file = buildXorFilter(texts)
writeFileSync('server/leaked-passwords.bin', file)
console.log(`${texts.size} passwords in ${file.length} bytes`)

/** Shorter passwords are refused anyway. */
function add(line: string): void {
  const form = leakedForm(line)
  if (Array.from(form).length >= passwordCharactersMin) texts.add(form)
}
