import { passwordCharactersMax, passwordCharactersMin } from '@agent-iam/contract/passwords'
import type { Page } from '../../pages/document.ts'
import { html, type Html } from '../../pages/html.ts'
import { labelledInput } from '../../pages/labelled-input.ts'
import type { LoginState } from '../login.ts'
import { frame } from './frame.ts'
import { passkeyScript } from './passkey-script.ts'

interface Login extends LoginState {
  /** To whom the person goes on. */
  readonly destination: string
  readonly csrfToken: string
  readonly formTargets: readonly string[]
  /** Where the form goes, if not where the page is; and the request that it goes on with. */
  readonly action?: string
  readonly query?: string
}

const titles = { password: 'Log in', code: 'Second factor', 'new-password': 'Choose a new password' } as const

/** Where a person logs in, step by step. */
export function loginPage(login: Login): Page {
  const { step, email, ticket, factors, fault, destination, csrfToken, formTargets, action, query } = login
  const offersPasskey = step === 'password' || (step === 'code' && factors.includes('passkey'))
  return frame({
    title: titles[step],
    formTargets,
    script: offersPasskey ? passkeyScript : undefined,
    main: html`<h1>${titles[step]}</h1>
      <p class="lead">To go on to <strong>${destination}</strong>. What you type here stays here.</p>
      <form method="post" ${action === undefined ? undefined : html`action="${action}"`}>
        <input type="hidden" name="csrf" value="${csrfToken}" />
        ${query === undefined ? undefined : html`<input type="hidden" name="query" value="${query}" />`}
        <input type="hidden" name="ticket" value="${ticket}" />
        ${step === 'password' ? undefined : html`<p>You log in as <strong>${email}</strong>.</p>`}
        ${offersPasskey ? passkeyField : undefined} ${fieldsOf(login)}
        <p class="fault" id="fault" role="alert">${fault}</p>
        <div class="buttons">
          <button>${step === 'password' ? 'Log in' : 'Continue'}</button>
          ${offersPasskey ? passkeyButton : undefined}
          <button name="refuse" value="yes" class="plain" formnovalidate>Cancel</button>
        </div>
      </form>`,
  })
}

function fieldsOf({ step, email, factors }: LoginState): Html {
  if (step === 'password') return passwordFields(email)
  return step === 'code' ? codeField(factors) : newPasswordField
}

const passkeyField = html`<input type="hidden" name="passkey" />`

/** The script shows it where the browser knows passkeys. */
const passkeyButton = html`<button type="button" id="use-passkey" class="plain" hidden>Use a passkey</button>`

function passwordFields(email: string): Html {
  const emailInput = labelledInput({
    id: 'email',
    label: 'E-mail',
    attributes: html`name="email" type="email" autocomplete="username" maxlength="254" required value="${email}"`,
    describedBy: 'fault',
  })
  const passwordInput = labelledInput({
    id: 'password',
    label: 'Password',
    attributes: html`name="password" type="password" autocomplete="current-password"
    maxlength="${passwordCharactersMax}" required`,
    describedBy: 'fault',
  })
  return html`${emailInput} ${passwordInput}`
}

function codeField(factors: readonly string[]): Html {
  const input = labelledInput({
    id: 'code',
    label: 'Code',
    attributes: html`name="code" autocomplete="one-time-code" spellcheck="false" maxlength="40" required`,
    describedBy: 'hint fault',
  })
  return html`${input}
    <p class="hint" id="hint">${codeHint(factors)}</p>`
}

function codeHint(factors: readonly string[]): string {
  if (factors.includes('totp')) return 'Of your authenticator, or a recovery code.'
  return factors.includes('recovery')
    ? 'A recovery code, in place of the passkey.'
    : 'No codes are left: use your passkey.'
}

const newPasswordInput = labelledInput({
  id: 'newPassword',
  label: 'New password',
  attributes: html`
    name="newPassword" type="password" autocomplete="new-password" minlength="${passwordCharactersMin}"
    maxlength="${passwordCharactersMax}" required
  `,
  describedBy: 'hint fault',
})
const newPasswordField = html`${newPasswordInput}
  <p class="hint" id="hint">At least 12 characters. A sentence is good.</p>`
