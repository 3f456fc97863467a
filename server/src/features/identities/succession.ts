import type { IdentityId, ServiceId, UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { recordEvent } from '../audit/service.ts'
import { takeAway } from './ending.ts'
import { listSuccessors } from './store/chain.ts'
import { giveOwned, holdStatus, stopOwned, type Owned } from './store/owners.ts'
import { queueSettling } from './store/settling.ts'

/** Throws unless a person may take over from another: never oneself, and never in a circle that ends with nobody. */
export async function requireSuccessor(tx: Transaction, id: UserId, successor: UserId): Promise<void> {
  if (successor === id) throw refused('nobody is their own successor')
  const status = await holdStatus(tx, successor)
  if (status === undefined || status === 'revoked' || status === 'deleted')
    throw refused(`${successor} is nobody of this tenant`)
  if ((await listSuccessors(tx, successor)).some((each) => each.id === id))
    throw refused(`${successor} would hand on to ${id} again`)
}

/** Who takes over from a person: the first of their successors, and those of these, who is active; held. */
export async function findHeir(tx: Transaction, id: UserId): Promise<UserId | undefined> {
  for (const heir of await listSuccessors(tx, id))
    if (heir.isActive && (await holdStatus(tx, heir.id)) === 'active') return heir.id
  return undefined
}

/** How often what changes hands is looked for again: what was made meanwhile shows in the next look. */
const looksMax = 20

/**
 * Hands on what a person who leaves owns, or stops it where there is no heir. The person is held and has left already, so
 * nobody makes anything more of theirs but who began before: that shows in a second look.
 */
export async function handOn(
  tx: Transaction,
  from: UserId,
  heir: UserId | undefined,
): Promise<{ handedOn: number; stopped: number; services: ServiceId[] }> {
  const services: ServiceId[] = []
  let [handedOn, stopped] = [0, 0]
  for (let look = 0; look < looksMax; look++) {
    const given = heir ? await give(tx, from, heir) : await stop(tx, from)
    if (given.agents.length + given.services.length === 0) return { handedOn, stopped, services }
    services.push(...given.services)
    const count = given.agents.length + given.services.length
    if (heir) handedOn += count
    else stopped += count
  }
  throw new Problem('unavailable', 'agents of this person are being made faster than they can be handed on; try again')
}

async function give(tx: Transaction, from: UserId, to: UserId): Promise<Owned> {
  const owned = await giveOwned(tx, from, to)
  const data = { from, to, because: 'the owner left' }
  for (const id of owned.agents)
    recordEvent(tx, { type: 'agent.owner-changed', resource: nameOf('agents', id), data, narrows: true })
  for (const id of owned.services)
    recordEvent(tx, { type: 'service.owner-changed', resource: nameOf('services', id), data, narrows: true })
  return owned
}

async function stop(tx: Transaction, owner: UserId): Promise<Owned> {
  const suspended = await stopOwned(tx, owner, 'active')
  const revoked = await stopOwned(tx, owner, 'pending')
  await takeAway(tx, revoked.agents)
  await queueSettling(tx, revoked.agents)
  const data = { because: 'the owner left, and nobody succeeds' }
  for (const id of suspended.agents)
    recordEvent(tx, { type: 'agent.suspended', resource: nameOf('agents', id), data, narrows: true })
  for (const id of revoked.agents)
    recordEvent(tx, { type: 'agent.revoked', resource: nameOf('agents', id), data, narrows: true })
  for (const id of suspended.services)
    recordEvent(tx, { type: 'service.suspended', resource: nameOf('services', id), data, narrows: true })
  return { agents: [...suspended.agents, ...revoked.agents], services: suspended.services }
}

function nameOf(noun: 'agents' | 'services', id: IdentityId): string {
  return `agent-iam/${noun}/${id}`
}

function refused(message: string): Problem {
  return new Problem('invalid-request', `successor: ${message}`, { errors: [{ field: 'successor', message }] })
}
