import { html, type Html } from '../../pages/html.ts'
import type { LoginState } from '../login.ts'
import { frame, type FramedPage } from './frame.ts'

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
export function loginPage(login: Login): FramedPage {
  const { step, email, ticket, fault, destination, csrfToken, formTargets, action, query } = login
  return frame({
    title: titles[step],
    formTargets,
    main: html`<h1>${titles[step]}</h1>
      <p class="lead">To go on to <strong>${destination}</strong>. What you type here stays here.</p>
      <form method="post" ${action === undefined ? undefined : html`action="${action}"`}>
        <input type="hidden" name="csrf" value="${csrfToken}" />
        ${query === undefined ? undefined : html`<input type="hidden" name="query" value="${query}" />`}
        <input type="hidden" name="ticket" value="${ticket}" />
        ${step === 'password' ? undefined : html`<p>You log in as <strong>${email}</strong>.</p>`}
        ${fieldsOf(step, email)}
        <p class="fault" id="fault" role="alert">${fault}</p>
        <div class="buttons">
          <button>${step === 'password' ? 'Log in' : 'Continue'}</button>
          <button name="refuse" value="yes" class="plain" formnovalidate>Cancel</button>
        </div>
      </form>`,
  })
}

function fieldsOf(step: LoginState['step'], email: string): Html {
  if (step === 'password') return passwordFields(email)
  return step === 'code' ? codeField : newPasswordField
}

function passwordFields(email: string): Html {
  return html`<label for="email">E-mail</label>
    <input
      id="email"
      name="email"
      type="email"
      autocomplete="username"
      maxlength="254"
      required
      value="${email}"
      aria-describedby="fault"
    />
    <label for="password">Password</label>
    <input
      id="password"
      name="password"
      type="password"
      autocomplete="current-password"
      maxlength="128"
      required
      aria-describedby="fault"
    />`
}

const codeField = html`<label for="code">Code</label>
  <input
    id="code"
    name="code"
    autocomplete="one-time-code"
    spellcheck="false"
    maxlength="40"
    required
    aria-describedby="hint fault"
  />
  <p class="hint" id="hint">Of your authenticator, or a recovery code.</p>`

const newPasswordField = html`<label for="newPassword">New password</label>
  <input
    id="newPassword"
    name="newPassword"
    type="password"
    autocomplete="new-password"
    minlength="12"
    maxlength="128"
    required
    aria-describedby="hint fault"
  />
  <p class="hint" id="hint">At least 12 characters. A sentence is good.</p>`
