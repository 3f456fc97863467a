// Writes what the documentation takes from the contract: docs/api/openapi.json and docs/problems.md.
import { writeFileSync } from 'node:fs'
import { problems } from '@agent-iam/contract/problems'
import { openApiDocument } from '../server/src/transport/openapi.ts'

/** Where `npm start` listens: the document that a server answers names its own address instead. */
const defaultUrl = 'http://localhost:9000'

const rows = Object.entries(problems).map(
  ([code, { status, title, advice }]) => `| <a id="${code}"></a>\`${code}\` | ${status} | ${title} | ${advice} |`,
)

const problemsPage = `# Problems

<!-- Written by \`npm run openapi\` from contract/src/problems.ts. -->

Every refusal is \`application/problem+json\` (RFC 9457). \`code\` is stable: a program branches on it. \`detail\` says what
happened and what to do next; \`errors\` names the fields at fault; \`requestId\` is what the operator looks for in the log.

| code | status | title | what to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`

write('api/openapi.json', `${JSON.stringify(openApiDocument(defaultUrl), null, 2)}\n`)
write('problems.md', problemsPage)

function write(name: string, text: string): void {
  writeFileSync(new URL(`../docs/${name}`, import.meta.url), text)
}
