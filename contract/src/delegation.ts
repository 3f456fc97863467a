import { z } from 'zod'
import { Agent, Capabilities, AgentType, IdentityStatus } from './agents.ts'
import { Tokens } from './auth.ts'
import { IdentityIdSchema, idSchema } from './ids.ts'
import { OpenObject, ParsedJson } from './json.ts'
import { operation } from './operation.ts'
import { FreeText, Instant, Name } from './text.ts'

/** Shortest life of a child: less would end before its first use. */
export const childSecondsMin = 60
/** Longest: what is needed for longer is registered, with an owner's eye on it. */
export const childSecondsMax = 86_400
/** What a child lives unless more or less is asked for. */
export const childSecondsDefault = 3600

/** Most identities of one tree in an answer: about half a megabyte. */
export const treeNodesMax = 1000

const TaskId = z
  .string()
  .regex(/^[\w.:/@-]{1,200}$/, 'is 1 to 200 letters, digits, dots, dashes, underscores, colons, slashes or at signs')

export const DelegateAgent = z.strictObject({
  name: Name,
  type: AgentType.default('worker'),
  /** What the child is made for, in the maker's own words; it is shown and recorded, and grants nothing. */
  taskId: TaskId.optional(),
  taskScope: FreeText.optional(),
  /** Absent: an hour, or as long as who lends it authority lives. */
  ttlSeconds: z.int().min(childSecondsMin).max(childSecondsMax).optional(),
  capabilities: Capabilities.default([]),
  metadata: OpenObject.default({}),
  /** The child's own Ed25519 key: its token is then bound to it, and it may log in by itself. */
  publicKey: z.union([z.string().max(1000), z.record(z.string().max(50), ParsedJson)]).optional(),
  /** Whether the child gets a Biscuit beside its JWT, of the same session: a token that it can narrow by itself. */
  biscuit: z.boolean().default(false),
})
export type DelegateAgent = z.output<typeof DelegateAgent>

export const DelegatedAgent = Agent.extend({
  issuer: z.string(),
  /** The identities from the root to the child. */
  chain: z.array(IdentityIdSchema),
  token: Tokens,
  biscuit: z.object({ token: z.string(), revocationId: z.string(), expiresAt: Instant }).optional(),
})

/** One identity of a chain, with what it withholds of what it was lent. */
const ChainHop = z.object({
  identityId: IdentityIdSchema,
  /** 0 is the identity that was asked about; the last is the root. */
  hop: z.int(),
  name: z.string(),
  status: IdentityStatus,
  expiresAt: Instant.nullable(),
  taskId: z.string().nullable(),
  taskScope: z.string().nullable(),
  /** All that it holds, by grant and by role. */
  capabilities: z.array(z.string()),
  /** How it is narrower than the one that lends it authority; null at the root. */
  narrowed: z
    .object({
      /** Entries of the lender that it does not hold whole. */
      withheld: z.array(z.string()),
      /** Whether it ends before the lender does. */
      endsEarlier: z.boolean(),
      /** What the token that it was made with was narrowed to; null: it was a whole one. */
      scope: z.array(z.string()).nullable(),
      /** Whether it was made with a Biscuit that was attenuated, whose blocks bind it. */
      attenuated: z.boolean(),
    })
    .nullable(),
})

export interface TreeNode {
  identityId: z.infer<typeof IdentityIdSchema>
  name: string
  status: z.infer<typeof IdentityStatus>
  expiresAt: string | null
  taskId: string | null
  children: TreeNode[]
}

const TreeNode: z.ZodType<TreeNode> = z
  .object({
    identityId: IdentityIdSchema,
    name: z.string(),
    status: IdentityStatus,
    expiresAt: Instant.nullable(),
    taskId: z.string().nullable(),
    get children() {
      return z.array(TreeNode)
    },
  })
  .meta({ id: 'TreeNode' })

const IdentityPath = z.strictObject({ identityId: IdentityIdSchema })
const examplePath = { identityId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' } as const

export const delegateAgent = operation({
  id: 'delegateAgent',
  method: 'POST',
  path: '/api/v1/delegations',
  aliases: ['/api/v1/agents/delegate'],
  action: 'agents:delegate',
  summary:
    'Makes a child agent for a task, with less than the caller has, and its tokens; it ends with the caller’s own rights.',
  body: DelegateAgent,
  status: 201,
  response: DelegatedAgent,
  secrets: ['token', 'biscuit'],
  signsTokens: true,
  problems: ['forbidden', 'capability-exceeded', 'already-exists', 'identity-inactive', 'quota-spent'],
  example: {
    body: { name: 'summarise-q3', taskId: 'task-42', ttlSeconds: 600, capabilities: ['file/docs/q3/*:read'] },
  },
})

export const getDelegationChain = operation({
  id: 'getDelegationChain',
  method: 'GET',
  path: '/api/v1/identities/:identityId/delegation-chain',
  action: 'agents:read',
  summary: 'Shows who lends an identity its authority, up to the root, and what each hop narrowed.',
  params: IdentityPath,
  status: 200,
  response: z.object({ identityId: IdentityIdSchema, depth: z.int(), chain: z.array(ChainHop) }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const getDescendants = operation({
  id: 'getDescendants',
  cost: { base: 10 },
  method: 'GET',
  path: '/api/v1/identities/:identityId/descendants',
  action: 'agents:read',
  summary: `Shows the tree of those to whom an identity lends authority, the nearest ${treeNodesMax}; deleted ones are left out.`,
  params: IdentityPath,
  status: 200,
  response: z.object({ total: z.int(), isComplete: z.boolean(), tree: TreeNode }),
  problems: ['forbidden', 'not-found'],
  example: { params: examplePath },
})

export const moveAgent = operation({
  id: 'moveAgent',
  method: 'POST',
  path: '/api/v1/agents/:agentId/move',
  action: 'agents:move',
  summary:
    'Gives an agent another parent, or none, with new grants in place of all it held; what descends from it goes with it.',
  params: z.strictObject({ agentId: idSchema('agent') }),
  body: z.strictObject({
    parent: IdentityIdSchema.nullable(),
    capabilities: Capabilities,
    reason: FreeText.optional(),
  }),
  status: 200,
  response: Agent,
  problems: [
    'forbidden',
    'not-found',
    'capability-exceeded',
    'already-exists',
    'identity-inactive',
    'wrong-state',
    'quota-spent',
  ],
  example: {
    params: { agentId: 'agt_0198c5a1f3e07b2c8d4e6f708192a3b4' },
    body: { parent: null, capabilities: ['file/docs/*:read'] },
  },
})
