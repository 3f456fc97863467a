import { z } from 'zod'

/** Most rows of one page: an answer stays well under a megabyte. */
export const pageRowsMax = 200

/** Longest cursor: it holds the last row's name, which takes up to twelve bytes a character, in base64url. */
const cursorCharactersMax = 2000

/** The query fields that every list shares. `cursor` comes from the page before and is opaque. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(pageRowsMax).default(50),
  cursor: z.string().max(cursorCharactersMax).optional(),
}

/** Where the next page begins; null on the last page. */
export const nextCursor = z.string().nullable()
