// A thread that attacks a server, so that what an attack costs the attacker does not slow down whoever measures.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { yieldToMainThread } from '../../src/platform/thread-priority.ts'
import { sendHead, type Head } from '../raw-http.ts'

/** A text that repeats one word: made here, since handing over megabytes would stop whoever measures. */
export interface Body {
  readonly before: string
  readonly word: string
  readonly times: number
  readonly after: string
}

interface Sending {
  readonly head: Head
  readonly body: Body
}

/** Some requests that are sent at the same time. */
export type Attack =
  | { readonly kind: 'whole'; readonly requests: readonly Sending[] }
  | { readonly kind: 'slow'; readonly head: Head; readonly count: number; readonly pieces: number }

/** The longest that an attack waits for a response. */
const responseMs = 10_000

async function sendWhole({ head, body }: Sending): Promise<number | undefined> {
  const bytes = Buffer.from(body.before + body.word.repeat(body.times) + body.after)
  const sent = sendHead({ ...head, headers: { 'content-length': bytes.length } })
  void sent.write(bytes)
  const status = await Promise.race([sent.status, sleep(responseMs, undefined)])
  sent.close()
  return status
}

async function sendSlowly({ head, count, pieces }: Attack & { kind: 'slow' }): Promise<undefined[]> {
  const sent = []
  for (let n = 0; n < count; n++) {
    sent.push(sendHead(head))
    // As many requests at once are another attack, which limits are for.
    await sleep(10)
  }
  for (let piece = 0; piece < pieces; piece++) {
    await Promise.all(sent.map((each) => each.write('[')))
    await sleep(250)
  }
  for (const each of sent) each.close()
  return []
}

// An attacker has a machine of its own: here it must not take the processor from the server.
yieldToMainThread()
parentPort?.on('message', (attack: Attack) => {
  const done = attack.kind === 'whole' ? Promise.all(attack.requests.map(sendWhole)) : sendSlowly(attack)
  void done.then((statuses) => parentPort?.postMessage(statuses))
})
