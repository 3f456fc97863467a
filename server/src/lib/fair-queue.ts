import { FairShares } from './fair-shares.ts'

/** Whom a job counts against. Every name is one that a caller cannot multiply without cost. */
export interface JobOwner {
  readonly tenantId: string
  /**
   * Within the tenant: the root identity of the chain. A job without an identity may count against several names, such as
   * the account and the address prefix: it is as busy as the busiest of them.
   */
  readonly roots: readonly string[]
}

/** One limit for everybody together, one for each tenant and one for each root. */
export interface PerShare {
  readonly total: number
  readonly tenant: number
  readonly root: number
}

export interface FairQueueLimits {
  /** Jobs that run at the same time. */
  readonly atOnce: PerShare
  readonly waitingMax: PerShare
  /** Bytes of input of the jobs that wait; absent for jobs that bring none. */
  readonly bytesMax?: PerShare | undefined
  /** A job that waits longer is refused. */
  readonly waitMsMax: number
  /** An honest job takes no longer. Only the time beyond it counts against the budget. */
  readonly honestMs: number
  /**
   * Excess of late beyond which a tenant or a root is over its budget. Those over their budget never have all places at the
   * same time: one is always left to others, where there are two or more.
   */
  readonly budgetMs: Omit<PerShare, 'total'>
  /** Work that was done this long ago counts half. */
  readonly halfLifeMs: number
}

/** Why a job was refused: whose share is full, or that it waited too long. */
export type QueueFault = 'total' | 'tenant' | 'root' | 'waited-too-long' | 'closed'

/** A job that was not run. */
export class QueueFullError extends Error {
  override name = 'QueueFullError'
  readonly fault: QueueFault
  readonly retryAfterSeconds: number

  constructor(fault: QueueFault, retryAfterSeconds: number) {
    super(`the queue refuses the job: ${fault}`)
    this.fault = fault
    this.retryAfterSeconds = retryAfterSeconds
  }
}

interface Job {
  readonly owner: JobOwner
  /** The same for the jobs of the same owner. */
  readonly key: string
  readonly bytes: number
  readonly start: (turn: Turn) => void
  readonly refuse: (error: QueueFullError) => void
  timeout: NodeJS.Timeout | undefined
}

/** A job that runs. */
interface Turn {
  readonly owner: JobOwner
  readonly isOverBudget: boolean
  readonly startedMs: number
}

const unbounded: PerShare = { total: Infinity, tenant: Infinity, root: Infinity }
/** The longest wait that a refusal advises. */
const retrySecondsMax = 60

/**
 * Runs so many jobs at the same time, and lets so many more wait. The next job is of the tenant that has the fewest
 * running, and of those the one that used the least time lately; within a tenant the same is true of its roots.
 *
 * A full share refuses only its own jobs. When the whole queue is full, a job of the tenant with the largest share of it
 * is refused in favour of a tenant with a smaller one; when a tenant is full, the same is true of its roots.
 */
export class FairQueue {
  readonly #limits: FairQueueLimits
  readonly #nowMs: () => number
  readonly #tenants: FairShares
  readonly #roots: FairShares
  /** The oldest comes first. */
  readonly #waiting: Job[] = []
  #waitingBytes = 0
  #running = 0
  #runningOverBudget = 0
  #isClosed = false

  constructor(limits: FairQueueLimits, nowMs: () => number = () => performance.now()) {
    this.#limits = limits
    this.#nowMs = nowMs
    this.#tenants = new FairShares(limits.halfLifeMs, nowMs)
    this.#roots = new FairShares(limits.halfLifeMs, nowMs)
  }

  /** Jobs that wait now. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Runs the work when its turn comes. Throws `QueueFullError` when the owner's share is full, or the wait took too long.
   *
   * @param bytes of input that stay in memory while the job waits
   */
  async run<Result>(owner: JobOwner, bytes: number, work: () => Promise<Result>): Promise<Result> {
    const turn = await this.#enter(owner, bytes)
    try {
      return await work()
    } finally {
      this.#leave(turn)
    }
  }

  /** Refuses all jobs that wait, and all that come later. */
  close(): void {
    this.#isClosed = true
    for (let [job] = this.#waiting; job; [job] = this.#waiting) this.#refuse(job, 'closed')
  }

  #enter(owner: JobOwner, bytes: number): Promise<Turn> {
    const { promise, resolve, reject } = Promise.withResolvers<Turn>()
    const key = JSON.stringify([owner.tenantId, ...owner.roots])
    const job: Job = { owner: named(owner), key, bytes, start: resolve, refuse: reject, timeout: undefined }
    if (this.#isClosed) reject(this.#refusalOf(job, 'closed'))
    // Jobs that wait could not start when the last one ended: no one is overtaken.
    else if (this.#canStart(job.owner)) this.#start(job)
    else this.#admit(job)
    return promise
  }

  #admit(job: Job): void {
    for (let fault = this.#findFull(job); fault; fault = this.#findFull(job)) {
      const displaced = fault === 'root' ? undefined : this.#findDisplaced(job, fault)
      if (!displaced) return job.refuse(this.#refusalOf(job, fault))
      this.#refuse(displaced, fault)
    }
    this.#waiting.push(job)
    this.#count(job, 1)
    job.timeout = setTimeout(() => this.#refuse(job, 'waited-too-long'), this.#limits.waitMsMax).unref()
  }

  #findFull({ owner, bytes }: Job): 'root' | 'tenant' | 'total' | undefined {
    const { waitingMax, bytesMax = unbounded } = this.#limits
    const isFull = (level: keyof PerShare, held: { waiting: number; waitingBytes: number } | undefined) =>
      (held?.waiting ?? 0) + 1 > waitingMax[level] || (held?.waitingBytes ?? 0) + bytes > bytesMax[level]
    if (owner.roots.some((name) => isFull('root', this.#roots.find(name)))) return 'root'
    if (isFull('tenant', this.#tenants.find(owner.tenantId))) return 'tenant'
    const all = { waiting: this.#waiting.length, waitingBytes: this.#waitingBytes }
    return isFull('total', all) ? 'total' : undefined
  }

  /** The newest job of the largest share, where that is larger than the newcomer's share would be. */
  #findDisplaced(newcomer: Job, fault: 'tenant' | 'total'): Job | undefined {
    const { tenantId } = newcomer.owner
    const candidates = this.#waiting.filter(({ owner }) => fault === 'total' || owner.tenantId === tenantId)
    const largest = maximum(candidates, ({ owner }) => [this.#tenantShare(owner), this.#rootShare(owner)])
    if (!largest) return undefined
    const isSameTenant = largest.owner.tenantId === tenantId
    const shareOf = (owner: JobOwner, more?: Job) =>
      isSameTenant ? this.#rootShare(owner, more) : this.#tenantShare(owner, more)
    return shareOf(largest.owner) > shareOf(newcomer.owner, newcomer) ? largest : undefined
  }

  #tenantShare({ tenantId }: JobOwner, more?: Job): number {
    return this.#shareOf('tenant', this.#tenants, [tenantId], more)
  }

  #rootShare(owner: JobOwner, more?: Job): number {
    return this.#shareOf('root', this.#roots, owner.roots, more)
  }

  /** How full the fullest of these is, from 0 to 1, with one more job if there is one. */
  #shareOf(level: 'tenant' | 'root', shares: FairShares, names: readonly string[], more: Job | undefined): number {
    const { waitingMax, bytesMax = unbounded } = this.#limits
    const parts = names.flatMap((name) => {
      const { waiting = 0, waitingBytes = 0 } = shares.find(name) ?? {}
      const bytes = waitingBytes + (more?.bytes ?? 0)
      return [(waiting + (more ? 1 : 0)) / waitingMax[level], bytes / bytesMax[level]]
    })
    return Math.max(0, ...parts)
  }

  #canStart(owner: JobOwner): boolean {
    const { atOnce } = this.#limits
    if (this.#running >= atOnce.total) return false
    if ((this.#tenants.find(owner.tenantId)?.running ?? 0) >= atOnce.tenant) return false
    if (owner.roots.some((name) => (this.#roots.find(name)?.running ?? 0) >= atOnce.root)) return false
    return this.#runningOverBudget < Math.max(1, atOnce.total - 1) || !this.#isOverBudget(owner)
  }

  #isOverBudget(owner: JobOwner): boolean {
    const { budgetMs } = this.#limits
    if (this.#tenants.excessMs(owner.tenantId) > budgetMs.tenant) return true
    return owner.roots.some((name) => this.#roots.excessMs(name) > budgetMs.root)
  }

  #start(job: Job): void {
    const { owner } = job
    const isOverBudget = this.#isOverBudget(owner)
    this.#running++
    if (isOverBudget) this.#runningOverBudget++
    for (const share of this.#sharesOf(owner)) share.running++
    job.start({ owner, isOverBudget, startedMs: this.#nowMs() })
  }

  #leave({ owner, isOverBudget, startedMs }: Turn): void {
    const usedMs = Math.max(0, this.#nowMs() - startedMs)
    this.#running--
    if (isOverBudget) this.#runningOverBudget--
    for (const share of this.#sharesOf(owner)) share.running--
    const work = { usedMs, excessMs: Math.max(0, usedMs - this.#limits.honestMs) }
    this.#tenants.charge(owner.tenantId, work)
    for (const name of owner.roots) this.#roots.charge(name, work)
    for (let job = this.#findNext(); job; job = this.#findNext()) {
      this.#remove(job)
      this.#start(job)
    }
  }

  #findNext(): Job | undefined {
    if (this.#running >= this.#limits.atOnce.total) return undefined
    const startable = this.#oldestOfEach().filter(({ owner }) => this.#canStart(owner))
    return minimum(startable, ({ owner }) => {
      const rootsRunning = Math.max(0, ...owner.roots.map((name) => this.#roots.find(name)?.running ?? 0))
      const rootsUsed = Math.max(0, ...owner.roots.map((name) => this.#roots.usedMs(name)))
      const tenantRunning = this.#tenants.find(owner.tenantId)?.running ?? 0
      return [tenantRunning, this.#tenants.usedMs(owner.tenantId), rootsRunning, rootsUsed]
    })
  }

  /** All jobs of one owner have the same rank, so only its oldest is compared: the cost depends on owners, not on jobs. */
  #oldestOfEach(): Job[] {
    const oldest = new Map<string, Job>()
    for (const job of this.#waiting) if (!oldest.has(job.key)) oldest.set(job.key, job)
    return [...oldest.values()]
  }

  #refuse(job: Job, fault: QueueFault): void {
    this.#remove(job)
    job.refuse(this.#refusalOf(job, fault))
  }

  #remove(job: Job): void {
    this.#waiting.splice(this.#waiting.indexOf(job), 1)
    clearTimeout(job.timeout)
    this.#count(job, -1)
  }

  #count({ owner, bytes }: Job, sign: 1 | -1): void {
    this.#waitingBytes += sign * bytes
    for (const share of this.#sharesOf(owner)) {
      share.waiting += sign
      share.waitingBytes += sign * bytes
    }
  }

  #sharesOf(owner: JobOwner) {
    return [this.#tenants.touch(owner.tenantId), ...owner.roots.map((name) => this.#roots.touch(name))]
  }

  /** An owner that used much time lately waits longer. */
  #refusalOf({ owner }: Job, fault: QueueFault): QueueFullError {
    const used = fault === 'tenant' ? [this.#tenants.usedMs(owner.tenantId)] : []
    if (fault === 'root') used.push(...owner.roots.map((name) => this.#roots.usedMs(name)))
    const seconds = Math.ceil(Math.max(0, ...used) / 1000)
    return new QueueFullError(fault, Math.min(retrySecondsMax, Math.max(1, seconds)))
  }
}

/** Two tenants may have roots of the same name. */
function named({ tenantId, roots }: JobOwner): JobOwner {
  return { tenantId, roots: [...new Set(roots)].map((root) => JSON.stringify([tenantId, root])) }
}

/** The first of those whose numbers are the least, compared in order. */
function minimum<Item>(items: readonly Item[], numbersOf: (item: Item) => readonly number[]): Item | undefined {
  const ranked = items.map((item) => ({ item, numbers: numbersOf(item) }))
  return ranked.reduce<(typeof ranked)[number] | undefined>(
    (least, each) => (least && compare(least.numbers, each.numbers) <= 0 ? least : each),
    undefined,
  )?.item
}

/** The last of those whose numbers are the greatest. */
function maximum<Item>(items: readonly Item[], numbersOf: (item: Item) => readonly number[]): Item | undefined {
  return minimum(items.toReversed(), (item) => numbersOf(item).map((number) => -number))
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (const [place, number] of one.entries()) {
    const difference = number - (other[place] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
