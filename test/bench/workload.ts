// What is asked: the same questions of every server, with the answers that both must give.

export const questionCount = 10_000
export const agentCount = 100
const grantsPerAgent = 4
/** Of ten questions, about so many are within the asker's grants. */
const withinGrants = 0.75

const types = ['file', 'database', 'queue'] as const
const areas = [
  'docs',
  'legal',
  'sales',
  'payroll',
  'research',
  'support',
  'builds',
  'media',
  'plans',
  'archive',
] as const
const actions = ['read', 'write', 'delete'] as const

/** The right to do something to all resources of a type under a prefix. */
export interface Grant {
  readonly type: (typeof types)[number]
  readonly area: (typeof areas)[number]
  readonly action: (typeof actions)[number]
}

export interface Question extends Pick<Grant, 'type' | 'area'> {
  readonly action: string
  /** Its place in `agents`. */
  readonly agent: number
  readonly id: string
  /** Facts that the asker sends along. */
  readonly context: { readonly purpose: string; readonly ticket?: string }
  readonly isAllowed: boolean
}

export interface Workload {
  /** The grants of each agent. */
  readonly agents: readonly (readonly Grant[])[]
  /** Areas where nothing is written without a ticket: one policy each. */
  readonly guarded: readonly string[]
  readonly questions: readonly Question[]
  /** Of so many questions, the share that is allowed. */
  readonly allowedShare: number
}

/** Every possible grant. */
export const allGrants: readonly Grant[] = types.flatMap((type) =>
  areas.flatMap((area) => actions.map((action) => ({ type, area, action }))),
)

/** The same workload every time: what varies between runs is the machine. */
export function makeWorkload(): Workload {
  const random = seededRandom(20_300_101)
  const agents = Array.from({ length: agentCount }, () => pickDistinct(allGrants, grantsPerAgent, random))
  const questions = Array.from({ length: questionCount }, (_, index) => makeQuestion(agents, index, random))
  return {
    agents,
    guarded: areas,
    questions,
    allowedShare: questions.filter(({ isAllowed }) => isAllowed).length / questionCount,
  }
}

/** The places of questions as they are asked: the n-th most frequent is asked 1/n as often as the first (Zipf). */
export function zipfSampler(count: number, seed: number): () => number {
  const random = seededRandom(seed)
  const totals = new Float64Array(count)
  let total = 0
  for (let rank = 1; rank <= count; rank++) {
    total += 1 / rank
    totals[rank - 1] = total
  }
  return () => firstAtLeast(totals, random() * total)
}

/** Mulberry32: small, fast, and the same everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Whether what the agent holds covers a question. */
export function isGranted(
  grants: readonly Grant[],
  { type, area, action }: Pick<Question, 'type' | 'area' | 'action'>,
): boolean {
  return grants.some((grant) => grant.type === type && grant.area === area && grant.action === action)
}

function makeQuestion(agents: readonly (readonly Grant[])[], index: number, random: () => number): Question {
  const agent = Math.floor(random() * agents.length)
  const grants = agents[agent] ?? []
  const wish = pick(random() < withinGrants ? grants : allGrants, random)
  const hasTicket = random() < 0.5
  return {
    ...wish,
    agent,
    // The number makes every question another.
    id: `${wish.area}/2030/item-${index}`,
    context: { purpose: 'nightly indexing', ...(hasTicket && { ticket: `T-${index}` }) },
    isAllowed: isGranted(grants, wish) && (wish.action !== 'write' || hasTicket),
  }
}

function pickDistinct(grants: readonly Grant[], count: number, random: () => number): Grant[] {
  const picked: Grant[] = []
  while (picked.length < count) {
    const grant = pick(grants, random)
    if (!picked.includes(grant)) picked.push(grant)
  }
  return picked
}

function pick(grants: readonly Grant[], random: () => number): Grant {
  const grant = grants[Math.floor(random() * grants.length)]
  if (!grant) throw new Error('nothing to pick from')
  return grant
}

/** The first place whose value is at least `wanted`, in ascending values. */
function firstAtLeast(values: Float64Array, wanted: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((values[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return low
}
