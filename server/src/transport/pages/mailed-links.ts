import { passwordCharactersMin } from '@agent-iam/contract/passwords'
import { nameCharactersMax } from '@agent-iam/contract/text'
import { html, trusted, type Html } from './html.ts'
import { layout, type Page } from './layout.ts'
import { acceptInvitationScript, confirmRegistrationScript, resetPasswordScript } from './mailed-link-script.ts'

// The pages behind links that come by mail. The secret is in the fragment, which a browser sends to nobody; so a page
// needs its script, and says what to do without.

export function resetPasswordPage(): Page {
  return mailedLinkPage({
    path: '/reset-password',
    title: 'Set a new password',
    lead: 'All your sessions end with the old password. The link works once.',
    fields: newPasswordFields('newPassword'),
    button: 'Set the password',
    done: 'The password is set',
    operation: 'POST /api/v1/auth/reset-password {"token":"…","newPassword":"…"}',
    script: resetPasswordScript,
  })
}

export function confirmRegistrationPage(): Page {
  return mailedLinkPage({
    path: '/confirm-registration',
    title: 'Confirm your address',
    lead: 'Give the password that you chose when you asked for the account. If you did not ask for one, close this page.',
    fields: [
      field({
        id: 'password',
        label: 'Password',
        attributes: 'type="password" autocomplete="current-password" required',
      }),
    ],
    button: 'Confirm',
    done: 'The address is confirmed',
    operation: 'POST /api/v1/public/registrations/confirm {"token":"…","password":"…"}',
    script: confirmRegistrationScript,
  })
}

export function acceptInvitationPage(): Page {
  return mailedLinkPage({
    path: '/accept-invitation',
    title: 'Accept the invitation',
    lead: 'Choose how you log in. The link works once.',
    fields: [
      field({
        id: 'name',
        label: 'Name',
        hint: 'Left empty, it is the one in the invitation.',
        attributes: `autocomplete="name" maxlength="${nameCharactersMax}"`,
      }),
      ...newPasswordFields('password'),
    ],
    button: 'Accept',
    done: 'You have an account',
    operation: 'POST /api/v1/public/invitations/accept {"token":"…","password":"…"}',
    script: acceptInvitationScript,
  })
}

interface Content {
  readonly path: '/reset-password' | '/confirm-registration' | '/accept-invitation'
  readonly title: string
  readonly lead: string
  readonly fields: readonly Html[]
  readonly button: string
  /** The heading of what is shown once it worked. */
  readonly done: string
  /** What to call without the script. */
  readonly operation: string
  readonly script: string
}

function mailedLinkPage({ path, title, lead, fields, button, done, operation, script }: Content): Page {
  const main = html`
    <div class="form">
      <h1>${title}</h1>
      <p class="lead">${lead}</p>
      <noscript>
        <div class="notice bad">
          <p>
            This page needs JavaScript to read the link. Without it, send what follows <code>#token=</code> yourself:
          </p>
          <pre><code>${operation}</code></pre>
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
        <h2 id="done-title">${done}</h2>
        <p id="done-notice"></p>
      </section>
    </div>
  `
  return layout({ title: `${title} · Agent IAM`, path, script, main })
}

interface Field {
  readonly id: string
  readonly label: string
  /** Markup of our own. */
  readonly attributes: string
  readonly hint?: string
  /** Compared with another field, and not sent. */
  readonly isUnsent?: boolean
}

function field({ id, label, attributes, hint, isUnsent = false }: Field): Html {
  const describedBy = hint === undefined ? `${id}-fault` : `${id}-hint ${id}-fault`
  const named = isUnsent ? '' : `name="${id}"`
  return html`
    <label for="${id}">${label}</label>
    <input id="${id}" ${trusted(`${named} ${attributes}`)} aria-describedby="${describedBy}" />
    ${hint === undefined ? undefined : html`<p class="hint" id="${id}-hint">${hint}</p>`}
    <p class="fault" id="${id}-fault"></p>
  `
}

function newPasswordFields(id: string): Html[] {
  const attributes = 'type="password" autocomplete="new-password" required'
  return [
    field({
      id,
      label: 'Password',
      hint: `At least ${passwordCharactersMin} characters. A sentence is good.`,
      attributes,
    }),
    field({ id: 'again', label: 'Password again', attributes, isUnsent: true }),
  ]
}
