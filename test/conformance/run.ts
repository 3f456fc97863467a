// `npm run conformance [-- name]`: other people's suites and clients against a server of ours. Ends red when one finds a fault.
import { mcpAuthorization } from './mcp-authorization.ts'
import { mcpClient } from './mcp-client.ts'

/** Each throws when it finds a fault, and returns what it saw otherwise. */
const suites: Readonly<Record<string, () => Promise<string[]>>> = {
  'mcp-authorization': mcpAuthorization,
  'mcp-client': mcpClient,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.hasOwn(suites, name))
if (unknown.length > 0) {
  console.error(`there is no suite ${unknown.join(', ')}; there are: ${Object.keys(suites).join(', ')}`)
  process.exit(2)
}

for (const [name, suite] of Object.entries(suites).filter(([each]) => wanted.length === 0 || wanted.includes(each))) {
  const began = performance.now()
  try {
    for (const line of await suite()) console.log(`  ${line}`)
    console.log(`✓ ${name} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    console.error(`✗ ${name}`, error)
    process.exitCode = 1
  }
}
