import { z } from 'zod'

/** Shortest password of a person, in characters (NIST SP 800-63B-4 asks for 15, or for 8 beside a second factor). */
export const passwordCharactersMin = 12
/** Longest password: bcrypt and Argon2 accept more, nobody types more. */
export const passwordCharactersMax = 128

/** A character may take two units of a string. */
const unitsMax = 2 * passwordCharactersMax

/** A password that is presented: whatever was accepted once. */
export const Password = z.string().min(1).max(unitsMax)

const charactersOf = (password: string) => Array.from(password).length

/** A password that is to be, by its length in characters. How easily it is guessed is seen by the server. */
export const NewPassword = z
  .string()
  .max(unitsMax)
  .refine((password) => password.isWellFormed(), 'holds half a character')
  .refine(
    (password) => charactersOf(password) >= passwordCharactersMin,
    `has fewer than ${passwordCharactersMin} characters`,
  )
  .refine(
    (password) => charactersOf(password) <= passwordCharactersMax,
    `has more than ${passwordCharactersMax} characters`,
  )
  .meta({ minLength: passwordCharactersMin, maxLength: passwordCharactersMax })
