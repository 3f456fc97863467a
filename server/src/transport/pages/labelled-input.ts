import { html, type Html } from './html.ts'

interface LabelledInput {
  readonly id: string
  readonly label: string
  readonly attributes: Html
  /** The ids of what tells more about it: a hint, a fault. */
  readonly describedBy: string
}

export function labelledInput({ id, label, attributes, describedBy }: LabelledInput): Html {
  return html`
    <label for="${id}">${label}</label>
    <input id="${id}" ${attributes} aria-describedby="${describedBy}" />
  `
}
