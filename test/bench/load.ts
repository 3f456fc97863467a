import { setTimeout as sleep } from 'node:timers/promises'
import { HttpConnection, type Answer } from './http-connection.ts'
import { seededRandom, zipfSampler } from './workload.ts'

/** A server under load, with one request for each question. */
export interface Target {
  readonly name: string
  readonly port: number
  readonly requests: readonly Buffer[]
  /** Throws when an answer is not the one that the question has. */
  readonly check: (question: number, answer: Answer) => void
}

/** What we are measured against, while it runs. */
export interface Peer {
  readonly target: Target
  readonly stop: () => Promise<void>
}

export interface Run {
  readonly answers: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
}

export interface Offer {
  readonly seconds: number
  readonly connections: number
  readonly seed: number
}

/** As much as the server takes: every connection asks again as soon as it is answered. */
export async function saturate(target: Target, { seconds, connections, seed }: Offer): Promise<Run> {
  const sample = zipfSampler(target.requests.length, seed)
  const latenciesMs: number[] = []
  const began = performance.now()
  const end = began + seconds * 1000
  await overConnections(target, connections, async (connection) => {
    for (let sentAt = performance.now(); sentAt < end; sentAt = performance.now()) {
      await askOne(target, connection, sample())
      latenciesMs.push(performance.now() - sentAt)
    }
  })
  return { answers: latenciesMs.length, seconds: (performance.now() - began) / 1000, latenciesMs }
}

/**
 * A fixed rate whether or not the server keeps up, arriving at random (Poisson). Latency counts from the moment at
 * which a request was due, so a server that stalls is charged for all that came meanwhile.
 */
export async function offer(target: Target, { seconds, connections, seed }: Offer, perSecond: number): Promise<Run> {
  const sample = zipfSampler(target.requests.length, seed)
  const latenciesMs: number[] = []
  const arrivals = arrivalTimes(perSecond, seed)
  const began = performance.now()
  const end = began + seconds * 1000
  let next = arrivals()
  await overConnections(target, connections, async (connection) => {
    while (began + next < end) {
      const dueAt = began + next
      next = arrivals()
      // NOTE: a timer knows whole milliseconds only; to spin for the rest would take a core from the server.
      const waitMs = Math.trunc(dueAt - performance.now())
      if (waitMs > 0) await sleep(waitMs)
      const countsFrom = Math.min(dueAt, performance.now())
      await askOne(target, connection, sample())
      latenciesMs.push(performance.now() - countsFrom)
    }
  })
  return { answers: latenciesMs.length, seconds: (performance.now() - began) / 1000, latenciesMs }
}

/** Every question once: warms the server up, and shows that its answers are right. */
export async function askAll(target: Target, connections: number): Promise<Run> {
  const latenciesMs: number[] = []
  let next = 0
  const began = performance.now()
  await overConnections(target, connections, async (connection) => {
    while (next < target.requests.length) {
      const sentAt = performance.now()
      await askOne(target, connection, next++)
      latenciesMs.push(performance.now() - sentAt)
    }
  })
  return { answers: latenciesMs.length, seconds: (performance.now() - began) / 1000, latenciesMs }
}

async function askOne(target: Target, connection: HttpConnection, question: number): Promise<void> {
  const request = target.requests[question]
  if (!request) throw new Error(`no question ${question}`)
  target.check(question, await connection.ask(request))
}

async function overConnections(
  { port }: Target,
  count: number,
  work: (connection: HttpConnection) => Promise<void>,
): Promise<void> {
  const connections = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(port)))
  try {
    await Promise.all(connections.map(work))
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** Milliseconds from the start at which requests arrive. */
function arrivalTimes(perSecond: number, seed: number): () => number {
  const random = seededRandom(seed)
  let at = 0
  return () => (at -= (Math.log(1 - random()) * 1000) / perSecond)
}
