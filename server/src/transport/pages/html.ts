/** HTML that is safe to send: text in it has been escaped. Only `html` and `trusted` make it. */
export interface Html {
  readonly markup: string
}

type Part = string | number | undefined | Html | readonly Html[]

/** A template whose every inserted text is escaped; only `Html` goes in as it is. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { markup: strings.map((text, index) => text + render(parts[index])).join('') }
}

/** Markup of our own that no input has touched, such as a style sheet. */
export function trusted(markup: string): Html {
  return { markup }
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

/** Makes text safe between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities.get(character) ?? '')
}

function render(part: Part): string {
  if (part === undefined) return ''
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part))
  if ('markup' in part) return part.markup
  return part.map(({ markup }) => markup).join('')
}
