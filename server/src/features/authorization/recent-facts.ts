import type { TenantId } from '@agent-iam/contract/ids'
import type { Context } from '../../platform/context.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Beat, Pulse } from '../../platform/pulse.ts'
import { RecentReads } from '../../platform/recent-reads.ts'
import type { ResourceName } from '../capabilities/model.ts'
import type { RegisteredResource } from '../resources/model.ts'
import { requireSession } from '../sessions/service.ts'
import { isOwn, type AskedFacts, type Subject } from './asked-for.ts'
import type { Rules } from './decider.ts'
import { resourceText } from './model.ts'

/** Sessions whose facts are held at once, a few kilobytes each. */
const sessionsMax = 10_000
/** Resources that are held at once, whether they are registered or not. */
const resourcesMax = 50_000

/** All that a decision rests on, and the beat of the oldest of it. */
export interface Grounds extends Beat {
  readonly facts: AskedFacts
  readonly rules: Rules
  readonly registered: RegisteredResource | undefined
}

/** What decisions rested on before: the same are asked for again and again, by the same. */
export class RecentFacts {
  readonly #sessions: RecentReads<Pick<Grounds, 'facts' | 'rules'>>
  readonly #resources: RecentReads<RegisteredResource | undefined>

  constructor(pulse: Pulse, clock: Clock) {
    this.#sessions = new RecentReads({ pulse, clock, entriesMax: sessionsMax })
    this.#resources = new RecentReads({ pulse, clock, entriesMax: resourcesMax })
  }

  /** Not to be awaited inside a transaction. */
  async find(ctx: Context, subject: Subject, resource: ResourceName): Promise<Grounds | undefined> {
    const { tenantId, asOf = Infinity } = requireSession(ctx.caller)
    const known = await this.#sessions.find(sessionKey(subject))
    if (!known) return undefined
    const { facts, rules } = known.value
    const isDeclared = rules.definitions.resources.types.has(resource.type)
    const found = isDeclared ? await this.#resources.find(resourceKey(tenantId, resource)) : nothingRegistered
    if (!found) return undefined
    const { changes } = known
    return { facts, rules, registered: found.value, epoch: Math.min(known.epoch, found.epoch, asOf), changes }
  }

  keep(
    { caller }: Pick<Context, 'caller'>,
    { facts, rules, registered, epoch, changes }: Grounds,
    about: { readonly subject: Subject; readonly resource: ResourceName },
  ): void {
    const { tenantId } = requireSession(caller)
    // Another's token is looked at with each question, so nothing is to be gained.
    if (about.subject.basis === 'token' && !isOwn({ caller }, about.subject)) return
    const ends = [facts.edge, facts.sessionExpiresAt].flatMap((end) => (end ? [end.getTime()] : []))
    const edge = ends.length === 0 ? undefined : new Date(Math.min(...ends))
    this.#sessions.keep(tenantId, sessionKey(about.subject), { value: { facts, rules }, epoch, changes, edge })
    if (rules.definitions.resources.types.has(about.resource.type))
      this.#resources.keep(tenantId, resourceKey(tenantId, about.resource), { value: registered, epoch, changes })
  }
}

const nothingRegistered = { value: undefined, epoch: Infinity }

/** Of who asks by an id, with its own session: others may not ask. */
function sessionKey({ basis, sessionId, acting }: Subject): string {
  return [basis, sessionId, ...acting].join(' ')
}

function resourceKey(tenantId: TenantId, resource: ResourceName): string {
  return `${tenantId} ${resourceText(resource)}`
}
