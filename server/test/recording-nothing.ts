import type { Operation } from '@agent-iam/contract/operation'

/** An allowed read records nothing (DESIGN D8). These are reads that are not sent as GET; each with what it reads. */
const readsBesideGet: Readonly<Record<string, string>> = {
  getRegistrationStatus: 'shows a registration to the holder of its secret, which is in the body',
  validatePolicy: 'says what is wrong with a text, and stores nothing',
  validateToken: 'says whether a token is valid',
  verifyBiscuit: 'says whether a Biscuit is valid',
}

/** What neither reads nor changes anything that is stored, or leaves its event to what comes after. */
const othersWithout: Readonly<Record<string, string>> = {
  forgotPassword:
    'stores the request alone, so that answer and time do not depend on the account; the job that answers it records',
  passkeyCreationOptions: 'seals a challenge into the answer and stores nothing; registerPasskey records',
  passkeyLoginOptions: 'seals a challenge into the answer and stores nothing; the login records',
}

/** A read that is an event all the same, with why. */
const recordedReads: Readonly<Record<string, string>> = {
  listMessages: 'opens letters, whose links let their reader in as somebody else',
}

/** Whether an allowed call of the operation leaves no event. Whoever adds to the lists above takes an act out of the log. */
export function recordsNothing({ id, method }: Operation): boolean {
  if (id in recordedReads) return false
  return method === 'GET' || id in readsBesideGet || id in othersWithout
}

/** The operations that are named above, so that a test finds names that are none. */
export const namedOperations = [readsBesideGet, othersWithout, recordedReads].flatMap((list) => Object.keys(list))
