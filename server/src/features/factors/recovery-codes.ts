import { recoveryCodesCount } from '@agent-iam/contract/factors'
import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import type { Random } from '../../platform/random.ts'
import { replaceRecoveryCodes } from './store/recovery-codes.ts'

/** Without letters that are read as digits or as each other (Crockford's base 32). */
const letters = '0123456789abcdefghjkmnpqrstvwxyz'
/** 80 bits: nobody finds one by trying, so trying is not counted, and no stranger can lock the way out. */
const lettersPerCode = 16

/** Makes a person's recovery codes anew. Only their digests are kept, so they can be told now and never again. */
export async function issueRecoveryCodes(tx: Transaction, userId: UserId): Promise<string[]> {
  const codes = Array.from({ length: recoveryCodesCount }, () => newCode(tx.random))
  await replaceRecoveryCodes(tx, userId, codes.map(digestOfCode))
  return codes
}

/** Case, spaces and dashes are the typist's, and so are the letters that stand for digits. */
export function digestOfCode(code: string): Buffer {
  const plain = code.toLowerCase().replace(/[\s-]/g, '').replace(/[il]/g, '1').replace(/o/g, '0')
  return sha256(`recovery code ${plain}`)
}

function newCode(random: Random): string {
  const code = Array.from(random(lettersPerCode), (byte) => letters[byte % letters.length]).join('')
  return code.replace(/.{4}(?=.)/g, '$&-')
}
