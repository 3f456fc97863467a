/** A character without its case and its compatibility form: `Ｗ` is `w`. It may be several then. */
export function fold(character: string): string {
  return character.normalize('NFKD').toLowerCase().normalize('NFKD')
}
