// The house rules, as an ESLint-compatible plugin: oxlint and ESLint both run it.
import { posix } from 'node:path'
import { complaint, escapeComplaint, guestComplaint } from './floors.js'

const floors = {
  create(context) {
    const from = posix.relative(context.cwd, context.filename)
    const check = (node) => {
      const source = node.source?.value
      if (typeof source !== 'string') return
      const message = importComplaint(from, source)
      if (message) context.report({ node, message })
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
    }
  },
}

/** Exact, because every import in this repository is written with its file extension. */
function importComplaint(from, source) {
  if (source.startsWith('.')) {
    const to = posix.join(posix.dirname(from), source)
    return escapeComplaint(from, to) ?? complaint(from, to)
  }
  const own = /^@agent-iam\/([^/]+)(?:\/(.+))?$/.exec(source)
  return own ? complaint(from, `${own[1]}/src/${own[2] ?? 'index'}`) : guestComplaint(from, source)
}

const askTheClock = {
  create(context) {
    const report = (node) => context.report({ node, message: 'Ask the clock: a hidden one cannot be tested.' })
    return {
      'MemberExpression[object.name="Date"][property.name="now"]': report,
      'NewExpression[callee.name="Date"][arguments.length=0]': report,
      'CallExpression[callee.name="Date"]': report,
    }
  },
}

const envInConfig = {
  create(context) {
    const report = (node) => context.report({ node, message: 'Only platform/config.ts reads the environment.' })
    return {
      'MemberExpression[object.name="process"][property.name="env"]': report,
      'ImportSpecifier[imported.name="env"]': report,
    }
  },
}

/** Everything in a feature but its store, and the doors to the world. */
const mayNotSpeakSql = /(^|\/)server\/src\/(features\/[^/]+\/(?!store[./])|transport\/)/

const sqlInStores = {
  create(context) {
    if (!mayNotSpeakSql.test(context.filename)) return {}
    const report = (node) => context.report({ node, message: 'Only a store speaks SQL.' })
    // A private `#db` is a class with a life of its own, which hands its transaction to a store.
    return { 'MemberExpression[property.type="Identifier"][property.name="db"]': report }
  },
}

/** What makes a public key of bytes that somebody sent. */
const keyImports = [
  'createPublicKey',
  'X509Certificate',
  'importJWK',
  'importSPKI',
  'importX509',
  'EmbeddedJWK',
  'createLocalJWKSet',
  'createRemoteJWKSet',
]

/** The gate itself; our own keys from our own database; and certificates, whose keys their readers hand to the gate. */
const mayImportKeys = [
  'server/src/platform/public-keys.ts',
  'server/src/features/keys/opened-keys.ts',
  'server/src/features/credentials/certificates.ts',
  'server/src/transport/peer-certificate.ts',
  'server/src/transport/tls.ts',
]

const keyGate = {
  create(context) {
    const from = posix.relative(context.cwd, context.filename)
    const isFree = !from.startsWith('server/src/') || from.endsWith('.test.ts') || mayImportKeys.includes(from)
    if (isFree) return {}
    const message = 'Open a public key by platform/public-keys.ts: it refuses the weak ones.'
    const report = (node) => context.report({ node, message })
    const names = keyImports.join('|')
    return {
      [`ImportSpecifier[imported.name=/^(${names})$/]`]: report,
      [`ExportSpecifier[local.name=/^(${names})$/]`]: report,
      [`MemberExpression[property.name=/^(${names})$/]`]: report,
      'CallExpression[callee.property.name="importKey"]': report,
    }
  },
}

/** `toMatchObject({ detail: /x/ })` passes whatever the string is: a bare RegExp has no fields to compare. */
const noBareRegexp = {
  create(context) {
    const report = (node) => context.report({ node, message: 'Vacuous: use expect.stringMatching(/…/).' })
    return {
      'CallExpression[callee.property.name=/^(toMatchObject|objectContaining)$/] Property > Literal[regex]': report,
    }
  },
}

export default {
  meta: { name: 'house' },
  rules: {
    floors,
    'ask-the-clock': askTheClock,
    'env-in-config': envInConfig,
    'sql-in-stores': sqlInStores,
    'no-bare-regexp': noBareRegexp,
    'key-gate': keyGate,
  },
}
