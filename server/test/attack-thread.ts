// A thread that attacks a server, so that what an attack costs the attacker does not slow down whoever measures.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { sendHead, type Head } from './raw-http.ts'

/** Some requests that are sent at the same time. */
export type Attack =
  | { readonly kind: 'whole'; readonly requests: ReadonlyArray<{ readonly head: Head; readonly body: string }> }
  | { readonly kind: 'slow'; readonly head: Head; readonly count: number; readonly pieces: number }

/** The longest that an attack waits for a response. */
const responseMs = 10_000

async function sendWhole({ head, body }: { readonly head: Head; readonly body: string }): Promise<number | undefined> {
  const bytes = Buffer.from(body)
  const sent = sendHead({ ...head, headers: { 'content-length': bytes.length } })
  void sent.write(bytes)
  const status = await Promise.race([sent.status, sleep(responseMs, undefined)])
  sent.close()
  return status
}

async function sendSlowly({ head, count, pieces }: Attack & { kind: 'slow' }): Promise<undefined[]> {
  const sent = Array.from({ length: count }, () => sendHead(head))
  for (let piece = 0; piece < pieces; piece++) {
    await Promise.all(sent.map((each) => each.write('[')))
    await sleep(250)
  }
  for (const each of sent) each.close()
  return []
}

parentPort?.on('message', (attack: Attack) => {
  const done = attack.kind === 'whole' ? Promise.all(attack.requests.map(sendWhole)) : sendSlowly(attack)
  void done.then((statuses) => parentPort?.postMessage(statuses))
})
