import { hash, verify } from '@node-rs/argon2'
import { Problem } from '../../platform/problem.ts'

/** OWASP's parameters for Argon2id (the library's default kind): 19 MiB, two passes, one lane. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Hashing at once: more would take the cores from everything else. */
const hashingMax = 2
/** Waiting to be hashed: about a second's work; beyond, a flood is turned away. */
const waitingMax = 64

let hashing = 0
const waiting: Array<() => void> = []

/** The PHC string of a password. */
export async function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password, parameters))
}

/** Compares in constant time; without a stored hash it takes the same time and says no. */
export async function verifyPassword(stored: string | undefined, password: string): Promise<boolean> {
  const matches = await inTurn(async () => verify(stored ?? (await dummyHash()), password))
  return matches && stored !== undefined
}

let dummy: Promise<string> | undefined

/** A hash of nothing anyone knows, so that an unknown user costs what a known one does. */
function dummyHash(): Promise<string> {
  dummy ??= hash('no password has this hash', parameters)
  return dummy
}

async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (waiting.length >= waitingMax) throw new Problem('unavailable', 'too many logins at once; try again in a second')
  if (hashing >= hashingMax) await new Promise<void>((resolve) => waiting.push(resolve))
  else hashing++
  try {
    return await work()
  } finally {
    // A turn is handed on without being given up, so nobody slips in between.
    const next = waiting.shift()
    if (next) next()
    else hashing--
  }
}
