import { passwordCharactersMin } from '@agent-iam/contract/passwords'
import { html, type Html } from './html.ts'
import { labelledInput } from './labelled-input.ts'

interface LinkForm {
  readonly title: string
  readonly lead: string
  readonly fields: readonly Html[]
  readonly button: string
  /** What is shown once it worked: a heading, and what follows the server's notice. */
  readonly done: { readonly title: string; readonly more?: Html }
  /** What to send without the script. */
  readonly byHand: string
}

/**
 * The form behind a link that holds a secret. The secret is in the fragment, which a browser sends to nobody; so the page
 * needs its script, and says what to do without.
 */
export function linkForm({ title, lead, fields, button, done, byHand }: LinkForm): Html {
  return html`
    <div class="form">
      <h1>${title}</h1>
      <p class="lead">${lead}</p>
      <noscript>
        <div class="notice bad">
          <p>
            This page needs JavaScript to read the link. Without it, send what follows <code>#token=</code> yourself:
          </p>
          <pre><code>${byHand}</code></pre>
        </div>
      </noscript>
      <div id="refusal" class="notice bad" role="alert" tabindex="-1" hidden>
        <p><strong id="refusal-title"></strong></p>
        <p id="refusal-detail"></p>
      </div>
      <form id="form" novalidate>
        ${fields}
        <button>${button}</button>
      </form>
      <section id="done" class="notice good" tabindex="-1" aria-labelledby="done-title" hidden>
        <h2 id="done-title">${done.title}</h2>
        <p id="done-notice"></p>
        ${done.more}
      </section>
    </div>
  `
}

interface Field {
  readonly id: string
  readonly label: string
  readonly attributes: Html
  readonly hint?: string
}

/** An input with the place where its fault is shown. The script sends it only if its attributes name it. */
export function field({ id, label, attributes, hint }: Field): Html {
  const describedBy = hint === undefined ? `${id}-fault` : `${id}-hint ${id}-fault`
  return html`
    ${labelledInput({ id, label, attributes, describedBy })}
    ${hint === undefined ? undefined : html`<p class="hint" id="${id}-hint">${hint}</p>`}
    <p class="fault" id="${id}-fault"></p>
  `
}

/**
 * A password which is to be, typed twice. No `maxlength`: a browser would cut what is pasted and not say so; the script
 * refuses what is too long.
 */
export function newPasswordFields(id: string): Html[] {
  const attributes = html`type="password" autocomplete="new-password" minlength="${passwordCharactersMin}" required`
  return [
    field({
      id,
      label: 'Password',
      hint: `At least ${passwordCharactersMin} characters. A sentence is good.`,
      attributes: html`name="${id}" ${attributes}`,
    }),
    field({ id: 'again', label: 'Password again', attributes }),
  ]
}
