import { hash, verify } from '@node-rs/argon2'
import { parseOptions, verify as verifyBcrypt } from '@node-rs/bcrypt'
import type { JobOwner } from '../../lib/fair-queue.ts'
import { sha256 } from '../../platform/digest.ts'
import { OutsideTransaction } from '../../platform/outside-transaction.ts'
import { hashing } from './password-queues.ts'

/** OWASP's parameters for Argon2id (the library's default kind): 19 MiB, two passes, one lane. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
/** How a hash by them begins (PHC string). */
const present = '$argon2id$v=19$m=19456,t=2,p=1$'

/** The PHC string of a password. */
export async function hashPassword(owner: JobOwner, password: string): Promise<string> {
  const work = () => hashing.run(owner, password.length, () => hash(normal(password), parameters))
  return hashes.run(keyOf([password]), work)
}

/** A password as it was presented, and what is known of the account. */
export interface PresentedPassword {
  readonly presented: string
  readonly stored: string | undefined
  /** An imported hash of anyone of the tenant. */
  readonly decoy?: string | undefined
}

/**
 * Compares in constant time; without a stored hash it takes the same time and says no. With an imported hash of anyone
 * as `decoy`, a hash of ours, an imported one and none take the same time too.
 */
export async function verifyPassword(
  owner: JobOwner,
  { presented: password, stored, decoy }: PresentedPassword,
): Promise<boolean> {
  const imported = stored !== undefined && isImported(stored) ? stored : undefined
  const ours = imported === undefined ? stored : undefined
  const work = async () => {
    const matchesOurs = await verify(ours ?? (await dummyHash()), normal(password))
    const slow = imported ?? decoy
    const matchesImported = slow !== undefined && (await verifyBcrypt(password, slow))
    return imported === undefined ? matchesOurs && ours !== undefined : matchesImported
  }
  return proofs.run(keyOf([password, stored, decoy]), () => hashing.run(owner, password.length, work))
}

/** With an `Idempotency-Key` a whole request is one transaction. */
const hashes = new OutsideTransaction<string>()
const proofs = new OutsideTransaction<boolean>()

function keyOf(parts: ReadonlyArray<string | undefined>): string {
  return sha256(JSON.stringify(parts)).toString('base64')
}

/** bcrypt reads no further: of a longer password, what follows was never proved. */
const bcryptBytesMax = 72

/** Whether a password that was just proved should be hashed anew: by the present parameters, not those of its time. */
export function needsRehash(stored: string, password: string): boolean {
  if (isImported(stored)) return Buffer.byteLength(password) <= bcryptBytesMax
  return !stored.startsWith(present)
}

/**
 * While such a hash is there, every login of its tenant compares with one: at this cost a quarter of a second; OWASP asks
 * for 10.
 */
export const bcryptCostMax = 12
const bcryptHash = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/

/** Whether a hash is one that may be imported: bcrypt, well-formed, and not so costly that logins would suffer. */
export function isImportable(text: string): boolean {
  return bcryptHash.test(text) && parseOptions(text).cost <= bcryptCostMax
}

function isImported(stored: string): boolean {
  return stored.startsWith('$2')
}

/** The same letters are typed differently on different machines. */
function normal(password: string): string {
  return password.normalize('NFC')
}

let dummy: Promise<string> | undefined

/** A hash of nothing anyone knows, so that an unknown user costs what a known one does. */
function dummyHash(): Promise<string> {
  dummy ??= hash('no password has this hash', parameters)
  return dummy
}
