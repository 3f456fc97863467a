// Who may import whom. This file is the architecture, written down.

/** The workspaces, and which others each may know. A folder per workspace at the root; examples hold one each. */
export const mayKnow = {
  contract: [],
  standards: [],
  server: ['contract', 'standards'],
  sdk: ['contract', 'standards'],
  cli: ['contract', 'sdk', 'standards'],
  examples: ['sdk'],
  console: ['contract', 'sdk', 'standards'],
  operator: ['contract', 'sdk', 'standards'],
  gateway: ['contract', 'sdk', 'standards'],
}

/** Folders that ship nothing and so may know everything; nothing that ships may know them. */
export const scaffolding = ['tools', 'test']

/** The one way past `mayKnow`: the command `serve` starts the server in its own process. */
const exceptions = [{ from: /^cli\/src\//, to: /^server\/src\/start(\.ts)?$/ }]

/** The floors of the server: a module may import from its own floor or a lower one. */
export const floors = ['lib', 'platform', 'features', 'transport', 'app', 'start', 'main']

/** A feature may import only features before it. */
export const features = [
  'audit',
  'tenants',
  'keys',
  'mail',
  'capabilities',
  'credentials',
  'identities',
  'factors',
  'tokens',
  'sessions',
  'status-lists',
  'biscuits',
  'accounts',
  'tenancy',
  'services',
  'api-keys',
  'agent-keys',
  'certificates',
  'clients',
  'creations',
  'delegation',
  'directory',
  'roles',
  'grants',
  'resources',
  'policies',
  'authorization',
  'authzen',
  'simulation',
  'limits',
  'setup',
  'expiry',
  'trust',
  'mcp',
  'detection',
  'compliance',
  'webhooks',
  'federation',
]

/** Inside a feature, a room (a file, or a folder of that name) may import only rooms before it. */
export const rooms = ['model', 'store', 'service', 'routes', 'graphql', 'jobs']

/** A neighbour enters a feature by one of these. */
export const frontDoors = ['model', 'service']

/** The rooms that only the floors above a feature open. */
const outerRooms = ['routes', 'graphql', 'jobs']

/** The packages that stay where they belong, and where that is. */
export const guests = [
  { package: /^(fastify|@fastify\/)/, where: /^server\/src\/(transport\/|app\.ts$|start\.ts$|main\.ts$)/ },
  {
    package: /^(pg|kysely|@electric-sql\/.*)(\/|$)/,
    where: /^server\/(src\/(platform\/|features\/[^/]+\/store[./])|test\/)/,
  },
  { package: /^ioredis(\/|$)/, where: /^server\/(src\/platform\/|test\/)/ },
  { package: /^@cedar-policy\//, where: /^server\/src\/features\/policies\// },
  {
    package: /^jose(\/|$)/,
    where:
      /^(sdk\/typescript\/src\/status-list-|server\/(src\/(platform|transport|features\/(keys|credentials|tokens|sessions|services|clients|delegation))\/|test\/))/,
  },
  {
    package: /^@biscuit-auth\//,
    where: /^(standards\/src\/biscuit|sdk\/typescript\/src\/|server\/(src\/features\/biscuits\/|test\/))/,
  },
  { package: /^oidc-provider(\/|$)/, where: /^server\/src\/transport\/oauth\// },
  { package: /^(nodemailer|undici|ipaddr\.js)(\/|$)/, where: /^server\/(src\/platform\/|test\/)/ },
  { package: /^(otpauth|@simplewebauthn\/.*)$/, where: /^server\/(src\/features\/factors\/|test\/)/ },
  { package: /^(@zxcvbn-ts\/.*|@node-rs\/bcrypt)$/, where: /^server\/src\/features\/credentials\// },
  { package: /^@node-rs\/argon2$/, where: /^server\/src\/(platform|features\/(credentials|sessions))\// },
]

/** Says why the file `from` may not import the package `name`, or undefined when it may. */
export function guestComplaint(from, name) {
  if (isFree(from)) return undefined
  const guest = guests.find((each) => each.package.test(name))
  return guest && !guest.where.test(from)
    ? `${name} may only be imported where ${guest.where.source} matches.`
    : undefined
}

/** Says why `from` may not import `to` (paths from the repository root), or undefined when it may. */
export function complaint(from, to) {
  if (isFree(from)) return undefined
  return workspaceComplaint(from, to) ?? floorComplaint(from, to) ?? featureComplaint(from, to)
}

/** Says why a path of this repository may not be reached by a relative import, or undefined when it may. */
export function escapeComplaint(from, to) {
  const isInside = workspaceOf(from) === workspaceOf(to)
  return isFree(from) || isInside ? undefined : `Leave a workspace by the name of a package, not by ${to}.`
}

/** A test may look everywhere, and so may what ships nothing; a configuration file at the root is neither. */
function isFree(from) {
  const [top] = from.split('/')
  return /\.test\.[jt]s$/.test(from) || scaffolding.includes(top) || top === from
}

/** `examples/guarded-files` and `sdk/typescript` are workspaces; `server/src` is part of one. */
function workspaceOf(path) {
  const [top, second] = path.split('/')
  return top === 'examples' || top === 'sdk' ? `${top}/${second}` : top
}

function workspaceComplaint(from, to) {
  const [here, there] = [from, to].map((path) => path.split('/')[0])
  if (!(here in mayKnow)) return `${here} is no workspace: list it in tools/lint/floors.js.`
  if (here === there) return undefined
  if (exceptions.some((each) => each.from.test(from) && each.to.test(to))) return undefined
  return mayKnow[here].includes(there) ? undefined : `${here} may not know ${there}.`
}

function floorComplaint(from, to) {
  const here = floorOf(from)
  if (here === undefined) return undefined
  if (to.startsWith('server/test/')) return 'What ships may not import from a test.'
  if (!floors.includes(here)) return `${here} is on no floor: list it in tools/lint/floors.js.`
  const there = floorOf(to)
  if (there === undefined) return undefined
  if (!floors.includes(there)) return `${there} is on no floor: list it in tools/lint/floors.js.`
  return floors.indexOf(there) > floors.indexOf(here) ? `${here} is below ${there} and may not import it.` : undefined
}

function floorOf(path) {
  return /^server\/src\/([^/.]+)/.exec(path)?.[1]
}

function featureComplaint(from, to) {
  const [here, there] = [from, to].map((path) => /^server\/src\/features\/([^/]+)\/([^/.]+)/.exec(path))
  if (!here || !there) return undefined
  const [, feature, room] = here
  const [, neighbour, theirRoom] = there
  if (feature === neighbour) return roomComplaint(room, theirRoom)
  const homeless = [feature, neighbour].find((each) => !features.includes(each))
  if (homeless) return `${homeless} has no place: list it in tools/lint/floors.js.`
  if (features.indexOf(neighbour) > features.indexOf(feature)) return `${feature} may not know ${neighbour}.`
  if (!frontDoors.includes(theirRoom)) return `Enter ${neighbour} by ${frontDoors.join(' or ')}, not by ${theirRoom}.`
  return undefined
}

/** A file named for its concept stands beside the service: it may use the rooms behind it, not those at the door. */
function roomComplaint(room, theirRoom) {
  const isConcept = !rooms.includes(room)
  const isTooHigh = isConcept ? outerRooms.includes(theirRoom) : rooms.indexOf(theirRoom) > rooms.indexOf(room)
  return isTooHigh ? `${room} is below ${theirRoom} and may not import it.` : undefined
}
