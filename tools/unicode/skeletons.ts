import { fold } from '../../server/src/lib/fold.ts'

/**
 * What each character is folded to, so that two names have one skeleton where UTS 39 gives them one, and also where they
 * differ in case alone. The second holds but for a few letters whose cases look like different Latin letters: of Greek
 * `Ν ν`, one is confused with `N` and the other with `v`, which must stay different.
 *
 * @param prototypes those of UTS 39's table `confusables`, for characters that are their own NFD
 */
export function skeletons(prototypes: ReadonlyMap<string, string>): Map<string, string> {
  const classes = new Classes()
  const prototype = (character: string) =>
    prototypes.get(character) ?? mapEach(character.normalize('NFKD'), (each) => prototypes.get(each) ?? each)
  const characters = everyCharacter()
  for (const character of characters) joinCases(classes, prototype, character)
  const final = (character: string) => settle(prototype(character), (each) => classes.representative(prototype(each)))

  const table = new Map<string, string>()
  for (const character of characters)
    if (fold(character) === character && final(character) !== character) table.set(character, final(character))
  const folded = (character: string) => mapEach(fold(character), (each) => table.get(each) ?? each).normalize('NFD')
  const others = characters.filter((each) => fold(each) !== each && folded(each) !== final(each))
  for (const character of others) table.set(character, final(character))
  requireOneSkeleton(prototypes, (text) => mapEach(text, (each) => table.get(each) ?? folded(each)).normalize('NFD'))
  return new Map([...table].toSorted(([one], [other]) => pointOf(one) - pointOf(other)))
}

type Mapping = (character: string) => string

const pointOf = (character: string) => character.codePointAt(0) ?? 0

/** Those that a skeleton can meet: assigned, decomposed, and no part of what is passed over. */
function everyCharacter(): string[] {
  const all = Array.from({ length: 0x110000 }, (_, point) => point).filter((point) => point < 0xd800 || point > 0xdfff)
  const passedOver = /\p{Default_Ignorable_Code_Point}|\p{Cn}|\p{Co}/u
  return all
    .map((point) => String.fromCodePoint(point))
    .filter((each) => !passedOver.test(each) && each.normalize('NFD') === each)
}

function mapEach(text: string, mapping: Mapping): string {
  return Array.from(text.normalize('NFD'), mapping).join('')
}

/** Maps until nothing changes. */
function settle(text: string, mapping: Mapping): string {
  const roundsMax = 20
  let present = text.normalize('NFD')
  for (let round = 0; round < roundsMax; round++) {
    const next = mapEach(present, mapping).normalize('NFD')
    if (next === present) return present
    present = next
  }
  throw new Error(`${text} never settles`)
}

function joinCases(classes: Classes, prototype: Mapping, character: string): void {
  const lower = character.toLowerCase()
  if (lower === character || Array.from(lower).length > 1) return
  const [one, other] = [prototype(character), prototype(lower)]
  const isOne = (text: string) => Array.from(text).length === 1
  if (isOne(one) && isOne(other)) classes.join(one, other)
  // As of `M`, whose `m` looks like `rn`.
  else if (isOne(one)) classes.expand(one, other)
  else if (isOne(other)) classes.expand(other, one)
}

/** Characters that count as the same. No class holds two letters that every reader tells apart. */
class Classes {
  readonly #above = new Map<string, string>()
  readonly #expansions = new Map<string, string>()

  constructor() {
    for (const upper of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') if (upper !== 'I') this.#above.set(upper, upper.toLowerCase())
    // A capital I is confused with l, so the small one is as well.
    this.#above.set('I', 'l').set('i', 'l')
  }

  join(one: string, other: string): void {
    const [first, second] = [this.#root(one), this.#root(other)]
    if (first === second || (isAscii(first) && isAscii(second))) return
    const isSecondRoot = isAscii(second) || (!isAscii(first) && pointOf(second) < pointOf(first))
    if (isSecondRoot) this.#above.set(first, second)
    else this.#above.set(second, first)
  }

  expand(character: string, to: string): void {
    const root = this.#root(character)
    const isWithin = Array.from(to).some((each) => this.#root(each) === root)
    if (!this.#expansions.has(root) && !isWithin) this.#expansions.set(root, to)
  }

  representative(text: string): string {
    return mapEach(text, (each) => this.#expansions.get(this.#root(each)) ?? this.#root(each))
  }

  #root(character: string): string {
    const above = this.#above.get(character)
    return above === undefined ? character : this.#root(above)
  }
}

function isAscii(character: string): boolean {
  return character <= '\u007f'
}

function requireOneSkeleton(prototypes: ReadonlyMap<string, string>, skeleton: Mapping): void {
  for (const [from, to] of prototypes)
    if (skeleton(from) !== skeleton(to)) throw new Error(`${from} and ${to} have different skeletons`)
}
