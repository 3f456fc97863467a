import { readFileSync } from 'node:fs'
import { XorFilter } from '../../lib/xor-filter.ts'

const file = new URL('../../../leaked-passwords.bin', import.meta.url)

/** How a password stands in the filter: letters in another case make it no less known. */
export function leakedForm(password: string): string {
  return password.normalize('NFC').toLowerCase()
}

/** Reads the filter of leaked passwords that ships with the server. Returns the question whether it contains a password. */
export function readLeakedPasswords(): (password: string) => boolean {
  const filter = new XorFilter(readFileSync(file))
  return (password) => filter.has(leakedForm(password))
}
