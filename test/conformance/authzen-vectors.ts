/**
 * What an AuthZEN decision point must answer (OpenID Authorization API 1.0), for a fixture of two users, two records and
 * three actions. Names stand for ids: `$alice` and `$bob` are put in before a request is sent.
 */
export interface Vector {
  readonly name: string
  readonly path: '/access/v1/evaluation' | '/access/v1/evaluations' | `/access/v1/search/${string}`
  readonly body: unknown
  readonly status: 200 | 400
  /** Of the answer, what it must have at least. */
  readonly answer?: unknown
}

const alice = { type: 'user', id: '$alice' }
const bob = { type: 'user', id: '$bob' }
const bobAdmin = { ...bob, properties: { role: 'admin' } }
const record1 = { type: 'record', id: 'record-1' }
const record2 = { type: 'record', id: 'record-2' }
const archived = { ...record2, properties: { status: 'archived' } }
const active = { ...record1, properties: { status: 'active' } }
const read = { name: 'read' }
const write = { name: 'write' }
const soft = (value: boolean) => ({ name: 'delete', properties: { soft: value } })
const yes = { decision: true }
const no = { decision: false }

const one = '/access/v1/evaluation'
const many = '/access/v1/evaluations'

const asks = (name: string, body: object, answer: object): Vector => ({ name, path: one, body, status: 200, answer })
const asksMany = (name: string, body: object, ...evaluations: object[]): Vector => ({
  name,
  path: many,
  body,
  status: 200,
  answer: { evaluations },
})
const malformed = (name: string, body: unknown, path: Vector['path'] = one): Vector => ({
  name,
  path,
  body,
  status: 400,
})

const good = { subject: alice, action: read, resource: record1 }

const evaluations: readonly Vector[] = [
  asks('a permit', good, yes),
  asks('a deny is 200 as well', { subject: bob, action: write, resource: record1 }, no),
  asks(
    'a context changes nothing here',
    { ...good, context: { time: '2025-06-27T18:03-07:00', ip: '192.0.2.1' } },
    yes,
  ),
  asks('a deny by what is told of the resource', { subject: alice, action: write, resource: archived }, no),
  asks('a permit by what is told of the subject', { subject: bobAdmin, action: write, resource: archived }, yes),
  asks('a permit by what is told of the action', { subject: alice, action: soft(true), resource: record1 }, yes),
  asks('a deny by what is told of the action', { subject: alice, action: soft(false), resource: record1 }, no),
  asks(
    'properties that nobody asks about',
    {
      subject: { ...alice, properties: { department: 'Sales', role: 'manager' } },
      action: { ...read, properties: { method: 'GET' } },
      resource: { ...active, properties: { status: 'active', owner: 'bob' } },
    },
    yes,
  ),
  asks('fields that nobody knows', { ...good, foo: 'bar', futureField: { nested: true } }, yes),
  asks('a subject that nobody knows', { ...good, subject: { type: 'user', id: 'nobody' } }, no),
  asks('a type of subject that nobody knows', { ...good, subject: { type: 'spaceship', id: '$alice' } }, no),
  asks('a subject under another type', { ...good, subject: { type: 'agent', id: '$alice' } }, no),
]

const { subject: _subject, ...noSubject } = good
const { action: _action, ...noAction } = good
const { resource: _resource, ...noResource } = good

const malformedEvaluations: readonly Vector[] = [
  malformed('no subject', noSubject),
  malformed('no action', noAction),
  malformed('no resource', noResource),
  malformed('a subject without type', { ...good, subject: { id: '$alice' } }),
  malformed('a subject without id', { ...good, subject: { type: 'user' } }),
  malformed('an action without name', { ...good, action: {} }),
  malformed('a resource without type', { ...good, resource: { id: 'record-1' } }),
  malformed('a resource without id', { ...good, resource: { type: 'record' } }),
  malformed('a subject that is a text', { ...good, subject: 'alice' }),
  malformed('a name that is a number', { ...good, action: { name: 123 } }),
  malformed('properties that are a list', { ...good, resource: { ...record1, properties: [] } }),
  malformed('a context that is a text', { ...good, context: 'now' }),
  malformed('a body that is a list', [good]),
  malformed('a name that is Cedar’s own', { ...good, context: { __entity: { type: 'User', id: 'x' } } }),
  malformed('a number beyond what JSON keeps', { ...good, context: { n: 2 ** 60 } }),
  malformed('evaluations that are no list', { ...good, evaluations: {} }, many),
  malformed(
    'a semantic that nobody knows',
    { ...good, evaluations: [{}], options: { evaluations_semantic: 'any' } },
    many,
  ),
  malformed('neither evaluations nor one', { subject: alice }, many),
  malformed('too many', { ...good, evaluations: Array.from({ length: 101 }, () => ({})) }, many),
]

const batches: readonly Vector[] = [
  asksMany(
    'subject and action for all',
    { subject: alice, action: read, evaluations: [{ resource: record1 }, { resource: record2 }] },
    yes,
    yes,
  ),
  asksMany(
    'answers in the order of the questions',
    { subject: bob, resource: record1, evaluations: [{ action: read }, { action: write }] },
    yes,
    no,
  ),
  asksMany(
    'what is told of each resource',
    { subject: alice, action: write, evaluations: [{ resource: active }, { resource: archived }] },
    yes,
    no,
  ),
  asksMany(
    'what is told of each subject',
    { action: write, resource: archived, evaluations: [{ subject: alice }, { subject: bobAdmin }] },
    no,
    yes,
  ),
  asksMany(
    'nothing for all',
    {
      evaluations: [
        { subject: alice, action: read, resource: record1 },
        { subject: bob, action: write, resource: record1 },
      ],
    },
    yes,
    no,
  ),
  asksMany(
    'what an evaluation names replaces the default whole, but for a type that it leaves out',
    {
      subject: alice,
      action: write,
      resource: { type: 'record', properties: { status: 'archived' } },
      evaluations: [{ resource: { id: 'record-1' } }, { resource: archived }],
    },
    yes,
    no,
  ),
  asksMany(
    'one that is not whole is denied, and harms no other',
    { subject: alice, action: read, evaluations: [{ resource: record1 }, {}, 7, { resource: record2 }] },
    yes,
    { decision: false, context: { error: { status: 400 } } },
    { decision: false, context: { error: { status: 400 } } },
    yes,
  ),
  asksMany(
    'a subject that nobody knows is denied, and harms no other',
    { ...good, evaluations: [{ subject: { type: 'user', id: 'nobody' } }, {}] },
    { decision: false, context: { error: { status: 404 } } },
    yes,
  ),
  asksMany(
    'the first deny is the last answer',
    semantic('deny_on_first_deny', [{}, { subject: bob, action: write }, {}]),
    yes,
    no,
  ),
  asksMany('an error is a deny', semantic('deny_on_first_deny', [{}, { subject: { id: 'nobody' } }, {}]), yes, no),
  asksMany(
    'the first permit is the last answer',
    semantic('permit_on_first_permit', [{ subject: bob, action: write }, {}, {}]),
    no,
    yes,
  ),
  asksMany(
    'all of them, where that is said',
    semantic('execute_all', [{}, { subject: bob, action: write }, {}]),
    yes,
    no,
    yes,
  ),
  { name: 'without evaluations it is one', path: many, body: good, status: 200, answer: yes },
  { name: 'with none it is one', path: many, body: { ...good, evaluations: [] }, status: 200, answer: yes },
]

function semantic(evaluations_semantic: string, items: readonly object[]) {
  return { ...good, options: { evaluations_semantic, another_option: 'value' }, evaluations: items }
}

/** What needs decisions alone. */
export const evaluationVectors: readonly Vector[] = [...evaluations, ...malformedEvaluations, ...batches]

const subjects = '/access/v1/search/subject'
const resources = '/access/v1/search/resource'
const actions = '/access/v1/search/action'
const finds = (path: Vector['path'], name: string, body: object, ...found: object[]): Vector => ({
  name,
  path,
  body,
  status: 200,
  answer: { page: { next_token: '' }, results: found },
})

/** What needs records that are registered, too. The results of an answer are among others. */
export const searchVectors: readonly Vector[] = [
  finds(subjects, 'who may read', { subject: { type: 'user' }, action: read, resource: record1 }, alice, bob),
  finds(subjects, 'an id is not looked at', { subject: { ...alice, id: 'x' }, action: read, resource: record1 }, bob),
  finds(
    subjects,
    'who may write what is archived',
    { subject: { type: 'user' }, action: write, resource: archived },
    bob,
  ),
  finds(
    subjects,
    'a context',
    { subject: { type: 'user' }, action: read, resource: record1, context: { a: 1 } },
    alice,
  ),
  finds(
    resources,
    'what alice may read',
    { subject: alice, action: read, resource: { type: 'record' } },
    record1,
    record2,
  ),
  finds(resources, 'what bob may write', { subject: bobAdmin, action: write, resource: { type: 'record' } }, record2),
  finds(actions, 'what alice may do', { subject: alice, resource: record1 }, read, write),
  finds(actions, 'what bob may do', { subject: bobAdmin, resource: archived }, read, write),
  finds(actions, 'a context of an action', { subject: alice, resource: record1, context: { a: 1 } }, read),
  malformed('subjects without action', { subject: { type: 'user' }, resource: record1 }, subjects),
  malformed(
    'subjects of a resource without id',
    { subject: { type: 'user' }, action: read, resource: { type: 'record' } },
    subjects,
  ),
  malformed('resources without subject', { action: read, resource: { type: 'record' } }, resources),
  malformed(
    'resources of a subject without id',
    { subject: { type: 'user' }, action: read, resource: { type: 'record' } },
    resources,
  ),
  malformed('actions without resource', { subject: alice }, actions),
  malformed('a limit below nothing', { subject: alice, resource: record1, page: { limit: -1 } }, actions),
  malformed('a token that is none', { subject: alice, resource: record1, page: { token: 'nonsense' } }, actions),
]

/** Where nothing can be found, which is no fault. */
export const emptySearches: readonly Vector[] = [
  finds(subjects, 'a type of subject that nobody knows', {
    subject: { type: 'spaceship' },
    action: read,
    resource: record1,
  }),
  finds(subjects, 'a type of resource that nobody knows', {
    subject: { type: 'user' },
    action: read,
    resource: { type: 'a type', id: '1' },
  }),
  finds(resources, 'a subject that nobody knows', {
    subject: { ...alice, id: 'x' },
    action: read,
    resource: { type: 'record' },
  }),
  finds(resources, 'a type without resources', { subject: alice, action: read, resource: { type: 'spaceship' } }),
  finds(actions, 'the actions of nobody', { subject: { type: 'user', id: 'nonexistent-user' }, resource: record1 }),
  finds(actions, 'the platform itself', { subject: alice, resource: { type: 'agent-iam', id: 'policies' } }),
]
