/** Cyrillic and Greek letters that read as Latin ones in most fonts (a part of Unicode TR 39's table). */
const lookalikes: Readonly<Record<string, string>> = {
  а: 'a', в: 'b', с: 'c', е: 'e', н: 'h', і: 'i', ј: 'j', к: 'k', м: 'm', о: 'o', р: 'p', ѕ: 's', т: 't', у: 'y', х: 'x',
  α: 'a', β: 'b', ε: 'e', η: 'n', ι: 'i', κ: 'k', μ: 'u', ν: 'v', ο: 'o', ρ: 'p', τ: 't', υ: 'u', χ: 'x', ԁ: 'd', ԛ: 'q', ԝ: 'w',
} // prettier-ignore

/** Digits and letters that are told apart by a glance only. */
const alike: Readonly<Record<string, string>> = { '0': 'o', '1': 'l', i: 'l', '|': 'l' }

/**
 * What a name looks like at a glance: two names with the same skeleton are taken for each other.
 * Folds compatibility forms, case, white space and the commonest look-alike letters.
 */
export function skeleton(name: string): string {
  const folded = name.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ')
  const latin = Array.from(folded, (letter) => lookalikes[letter] ?? letter)
  return latin.map((letter) => alike[letter] ?? letter).join('')
}
