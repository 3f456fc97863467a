import type { Operation } from '@agent-iam/contract/operation'
import { problems, type ProblemCode } from '@agent-iam/contract/problems'
import type { z } from 'zod'
import { asObject, schemaWriter, type JsonObject } from '../openapi-schemas.ts'
import { documentedGroups, problemsOf } from '../openapi.ts'
import { madeOnce } from '../made-once.ts'
import { docsSearch } from './docs-search.ts'
import type { Page } from './document.ts'
import { html, type Html } from './html.ts'
import { layout } from './layout.ts'
import { schemaTables, shapeAnchor } from './schema-table.ts'

/** The reference of every operation, made from the contract like the OpenAPI document. */
export const docsPage = madeOnce(render)

function render(publicUrl: string): Page {
  const shapes = allShapes()
  const groups = documentedGroups.map(({ title, operations }) => group(title, operations, { publicUrl, shapes }))
  return layout({
    title: 'API reference · Agent IAM',
    path: '/docs',
    script: docsSearch,
    main: html`<div class="reference">
      <div class="index">${index(Object.keys(shapes))}</div>
      <div>
        ${introduction}
        <p id="found" role="status" class="faint"></p>
        ${groups}
        <section aria-labelledby="shapes">
          <h2 id="shapes">Shapes</h2>
          ${Object.entries(shapes).map(([name, shape]) => shapeSection(name, asObject(shape), shapes))}
        </section>
      </div>
    </div>`,
  })
}

interface Frame {
  readonly publicUrl: string
  readonly shapes: JsonObject
}

function allShapes(): JsonObject {
  const writer = schemaWriter()
  for (const { params, query, body, response } of documentedGroups.flatMap(({ operations }) => operations)) {
    for (const schema of [params, query, body]) if (schema) writer.write(schema, 'input')
    writer.write(response, 'output')
  }
  return writer.components()
}

const introduction = html`
  <h1>API reference</h1>
  <p class="lead">
    Bodies are JSON, and an unknown field is refused, but by the operations of AuthZEN, which pass over it. Paths under
    <code>/api/v1</code> are also answered under <code>/v1</code>. A refusal is a problem document whose
    <code>code</code> is stable.
  </p>
`

function index(shapeNames: readonly string[]): Html {
  const groups = documentedGroups.map(({ title, operations }) => ({
    title,
    links: operations.map(({ id }) => ({ anchor: id, text: id })),
  }))
  const shapes = { title: 'Shapes', links: shapeNames.map((name) => ({ anchor: shapeAnchor(name), text: name })) }
  return html`<div id="search" hidden>
      <label for="query">Find an operation</label><input id="query" type="search" autocomplete="off" />
    </div>
    <nav aria-label="Operations">${[...groups, shapes].map(indexGroup)}</nav>`
}

function indexGroup({ title, links }: { title: string; links: ReadonlyArray<{ anchor: string; text: string }> }): Html {
  return html`<div data-group>
    <h2>${title}</h2>
    <ul>
      ${links.map(({ anchor, text }) => html`<li data-for="${anchor}"><a href="#${anchor}">${text}</a></li>`)}
    </ul>
  </div>`
}

function group(title: string, operations: readonly Operation[], frame: Frame): Html {
  const anchor = `group-${title.toLowerCase().replaceAll(' ', '-')}`
  return html`<section data-group aria-labelledby="${anchor}">
    <h2 id="${anchor}">${title}</h2>
    ${operations.map((operation) => operationArticle(operation, frame))}
  </section>`
}

function operationArticle(operation: Operation, frame: Frame): Html {
  const { id, method, path, summary, aliases = [], params, query, body, response } = operation
  return html`<article class="operation" id="${id}" data-search="${`${id} ${method} ${path} ${summary}`.toLowerCase()}">
    <h3>
      <span class="method ${method}">${method}</span><a href="#${id}"><code>${path}</code></a>
    </h3>
    <p>${summary}</p>
    <p class="faint">${whoMayCall(operation)}${aliases.length > 0 ? ` Also at ${aliases.join(', ')}.` : undefined}</p>
    ${fields('Path', params, 'input', { id, frame })} ${fields('Query', query, 'input', { id, frame })}
    ${fields('Body', body, 'input', { id, frame })}
    <h4>Example</h4>
    <pre tabindex="0" aria-label="Example request: ${id}"><code>${curl(operation, frame.publicUrl)}</code></pre>
    <details>
      <summary>Answer ${operation.status}</summary>
      ${fields('Fields', response, 'output', { id, frame })}
    </details>
    <details>
      <summary>Refusals</summary>
      ${problemTable(operation)}
    </details>
  </article>`
}

function whoMayCall({ action }: Operation): Html {
  if (action === 'public') return html`Anyone may call it.`
  if (action === 'self') return html`Needs a token; concerns the caller itself.`
  return html`Needs a token with the permission <code>${action}</code>.`
}

function fields(
  title: string,
  schema: z.ZodType | undefined,
  io: 'input' | 'output',
  { id, frame }: { id: string; frame: Frame },
): Html | undefined {
  if (schema === undefined) return undefined
  const tables = schemaTables(schemaWriter().write(schema, io), frame.shapes, `${title} of ${id}`)
  return html`<h4>${title}</h4>
    ${tables}`
}

function problemTable(operation: Operation): Html {
  return html`<div class="table" tabindex="0" role="region" aria-label="Refusals of ${operation.id}">
    <table>
      <thead>
        <tr>
          <th scope="col">Code</th>
          <th scope="col">Status</th>
          <th scope="col">What to do</th>
        </tr>
      </thead>
      <tbody>
        ${problemsOf(operation).map(problemRow)}
      </tbody>
    </table>
  </div>`
}

function problemRow(code: ProblemCode): Html {
  const { status, title, advice } = problems[code]
  return html`<tr>
    <th scope="row"><code>${code}</code></th>
    <td>${status}</td>
    <td>${title}. ${advice}</td>
  </tr>`
}

function shapeSection(name: string, shape: JsonObject, shapes: JsonObject): Html {
  return html`<article class="operation" id="${shapeAnchor(name)}">
    <h3>${name}</h3>
    ${schemaTables(shape, shapes, `Shape ${name}`)}
  </article>`
}

function curl(operation: Operation, publicUrl: string): string {
  const { method, action, example } = operation
  const lines = [
    `curl ${method === 'GET' ? '' : `-X ${method} `}${shellQuote(publicUrl + examplePath(operation))}`,
    ...(action === 'public' ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...(example.body === undefined
      ? []
      : [`-H 'Content-Type: application/json'`, `-d ${shellQuote(readableJson(example.body))}`]),
  ]
  return lines.join(' \\\n  ')
}

function examplePath({ path, example }: Operation): string {
  const params = new Map(Object.entries(example.params ?? {}))
  const query = new URLSearchParams(
    Object.entries(example.query ?? {}).map(([key, value]): [string, string] => [key, String(value)]),
  )
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params.get(name))))
  return query.size > 0 ? `${filled}?${query.toString()}` : filled
}

/** The longest JSON that is read at a glance on one line. */
const lineCharactersMax = 90

function readableJson(value: unknown): string {
  const line = JSON.stringify(value)
  return line.length > lineCharactersMax ? JSON.stringify(value, null, 2) : line
}

/** Quotes only what a shell would read otherwise. */
function shellQuote(text: string): string {
  return /^[\w/:.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
