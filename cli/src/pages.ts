/** One page of a list, with where the next begins. */
interface Page<Row> {
  readonly rows: readonly Row[]
  readonly nextCursor: string | null
}

/** Reads a list to its end. */
export async function readAllPages<Row>(readPage: (cursor: string | null) => Promise<Page<Row>>): Promise<Row[]> {
  let page = await readPage(null)
  const rows = [...page.rows]
  while (page.nextCursor !== null) {
    page = await readPage(page.nextCursor)
    rows.push(...page.rows)
  }
  return rows
}
