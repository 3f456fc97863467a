import { nameCharactersMax } from '@agent-iam/contract/text'
import type { Page } from './document.ts'
import { html } from './html.ts'
import { layout } from './layout.ts'
import { field, linkForm, newPasswordFields } from './link-form.ts'
import { setupScript } from './setup-script.ts'

/** The page behind the setup link. */
export function setupPage(): Page {
  return layout({ title: 'Set up · Agent IAM', path: '/setup', script: setupScript, main })
}

const byHand = `curl -X POST "$URL/api/v1/setup" -H 'Content-Type: application/json' \\
  -d '{"token":"…","email":"you@example.com","password":"…"}'`

const main = linkForm({
  title: 'Set up Agent IAM',
  lead: 'Choose how the administrator logs in. The setup link works once.',
  fields: [
    field({
      id: 'email',
      label: 'E-mail',
      attributes: html`name="email" type="email" autocomplete="username" maxlength="254" required`,
    }),
    field({
      id: 'name',
      label: 'Name',
      attributes: html`name="name" autocomplete="name" maxlength="${nameCharactersMax}" value="Administrator" required`,
    }),
    ...newPasswordFields('password'),
  ],
  button: 'Set up',
  done: {
    title: 'You are the administrator',
    more: html`
      <p>You now operate:</p>
      <ul id="accounts"></ul>
      <p>Log in, in each tenant by its name:</p>
      <pre tabindex="0" aria-label="Logging in with curl"><code id="done-login"></code></pre>
      <p>What to call then is in the <a href="/docs">API reference</a>.</p>
    `,
  },
  byHand,
})
