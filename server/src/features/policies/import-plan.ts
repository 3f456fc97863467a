import { setImmediate as nextTurn } from 'node:timers/promises'
import { PolicyStatus, Priority } from '@agent-iam/contract/policies'
import { FreeText, Name } from '@agent-iam/contract/text'
import type { PolicyId } from '@agent-iam/contract/ids'
import type { z } from 'zod'
import { isId } from '../../platform/ids.ts'
import type { Policy, PolicyHead } from './model.ts'
import { coreOf, type FiledPolicy } from './policy-file.ts'
import type { PolicyFault } from './policy-text.ts'

/** What becomes of one policy of a file. */
export interface PlannedPolicy {
  readonly filed: FiledPolicy
  readonly head: PolicyHead
  readonly status: PolicyStatus
  /** Which it takes the place of. */
  readonly before: Policy | undefined
  readonly action: 'create' | 'update' | 'keep'
  readonly faults: readonly PolicyFault[]
}

export interface ImportPlan {
  readonly planned: readonly PlannedPolicy[]
  /** In force, and not in a file that replaces what is. */
  readonly retired: readonly Policy[]
}

/** What is known of a file before it is compared with what is stored. */
export interface ImportInput {
  readonly filed: readonly FiledPolicy[]
  /** Of stored texts, what a file would have of them. */
  readonly cores: ReadonlyMap<string, string>
  readonly mode: 'merge' | 'replace'
}

/** Policies that are planned in one turn of the event loop: a few milliseconds. */
const plannedAtOnce = 200

/** What a file would do to the policies that are stored. Which is which is told by `@id`, or else by name. */
export async function planImport(
  { filed: all, cores, mode }: ImportInput,
  stored: readonly Policy[],
): Promise<ImportPlan> {
  const known = new Known(stored)
  const planned: PlannedPolicy[] = []
  for (const [place, filed] of all.entries()) {
    if (place % plannedAtOnce === plannedAtOnce - 1) await nextTurn()
    planned.push(plan(filed, known, cores))
  }
  const named = new Set(planned.map(({ before }) => before?.id))
  const retired = stored.filter(({ id, status }) => mode === 'replace' && status === 'active' && !named.has(id))
  return { planned, retired }
}

/** What is stored, and what earlier policies of the file are called. */
class Known {
  readonly #byId: ReadonlyMap<PolicyId, Policy>
  readonly #byName: ReadonlyMap<string, Policy>
  readonly #lines = new Map<string, number>()

  constructor(stored: readonly Policy[]) {
    this.#byId = new Map(stored.map((policy) => [policy.id, policy]))
    this.#byName = new Map(stored.map((policy) => [policy.name, policy]))
  }

  find(id: string | undefined, name: string | undefined): Policy | undefined {
    const byId = id !== undefined && isId('policy', id) ? this.#byId.get(id) : undefined
    return byId ?? (name === undefined ? undefined : this.#byName.get(name))
  }

  /** The line of an earlier policy of the file that is the same one, or has the name. */
  claim(policy: Policy | undefined, name: string, line: number): number | undefined {
    const keys = [`name ${name}`, ...(policy ? [`id ${policy.id}`] : [])]
    const earlier = keys.map((key) => this.#lines.get(key)).find((each) => each !== undefined)
    for (const key of keys) this.#lines.set(key, line)
    return earlier
  }
}

function plan(filed: FiledPolicy, known: Known, cores: ImportInput['cores']): PlannedPolicy {
  const { id, name } = filed.annotations
  const named = name ?? (isId('policy', id ?? '') ? undefined : id)
  const before = known.find(id, named)
  const { faults, ...read } = readAnnotations(filed, named, before)
  const earlier = known.claim(before, read.head.name, filed.line)
  const twice = `is the same policy as that of line ${earlier}`
  const isKept =
    before !== undefined && isSaid(before, read) && (cores.get(before.cedar) ?? coreOf(before.cedar)) === filed.cedar
  const action = isKept ? 'keep' : before ? 'update' : 'create'
  return { filed, ...read, before, action, faults: earlier === undefined ? faults : [...faults, toFault(filed, twice)] }
}

type ReadAnnotations = Pick<PlannedPolicy, 'head' | 'status' | 'faults'>

/** What a file does not say of a policy stays as it is. */
function readAnnotations(filed: FiledPolicy, named: string | undefined, before: Policy | undefined): ReadAnnotations {
  const { description, status, priority } = filed.annotations
  const faults: PolicyFault[] = []
  const readWith = <S extends z.ZodType>(
    name: string,
    schema: S,
    value: unknown,
    fallback: z.output<S>,
  ): z.output<S> => {
    const read = schema.safeParse(value)
    if (read.success) return read.data
    faults.push(toFault(filed, `@${name} ${read.error.issues.map(({ message }) => message).join('; ')}`))
    return fallback
  }
  const was = before ?? {
    name: `policy of line ${filed.line}`,
    description: '',
    priority: 0,
    status: 'active' as const,
  }
  const head = {
    name: readWith('name', Name, named ?? was.name, 'unreadable'),
    description: readWith('description', FreeText, description ?? was.description, ''),
    priority: readWith('priority', Priority, priority === undefined ? was.priority : toNumber(priority), 0),
  }
  return { head, status: readWith('status', PolicyStatus, status ?? was.status, 'draft'), faults }
}

function toFault({ line, column }: FiledPolicy, message: string): PolicyFault {
  return { message, line, column }
}

function toNumber(text: string): number {
  return /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN
}

function isSaid(before: Policy, { head, status }: Pick<PlannedPolicy, 'head' | 'status'>): boolean {
  const { name, description, priority } = head
  const isHead = before.name === name && before.description === description && before.priority === priority
  return isHead && before.status === status && (status !== 'active' || before.activeVersion === before.version)
}
