import type { Client, ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import { html, type Html } from '../../pages/html.ts'
import { labelledInput } from '../../pages/labelled-input.ts'
import { clientName } from './client-name.ts'
import { frame } from './frame.ts'
import { showPage } from './send.ts'

/** RFC 8628 §3.3: a person types the code that the device shows, compares, and lets it in. */
export const deviceFlowPages = { userCodeInputSource, userCodeConfirmSource, successSource }

function userCodeInputSource(koa: KoaContextWithOIDC, _form: string, out?: ErrorOut, error?: Error): void {
  const fault = out === undefined && error === undefined ? undefined : faultOf(error)
  showPage(
    koa,
    frame({
      title: 'Connect a device',
      main: html`<h1>Connect a device</h1>
        <p class="lead">Type the code that the device or program shows you.</p>
        <form method="post" action="${actionOf(koa)}">
          <input type="hidden" name="xsrf" value="${secretOf(koa)}" />
          ${codeInput(fault)}
          <p class="fault" id="fault" role="alert">${fault}</p>
          <button>Continue</button>
        </form>`,
    }),
  )
}

function codeInput(fault: string | undefined): Html {
  return labelledInput({
    id: 'user_code',
    label: 'Code',
    attributes: html`
      name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false" required maxlength="20"
      ${fault === undefined ? undefined : invalid}
    `,
    describedBy: 'fault',
  })
}

const invalid = html`aria-invalid="true"`

const faults = new Map([
  ['AbortedError', 'You refused, and the device got nothing.'],
  ['AlreadyUsedError', 'This code was used already. Ask the device for a new one.'],
  ['ExpiredError', 'This code is too old. Ask the device for a new one.'],
])

function faultOf(error: Error | undefined): string {
  const unknown = 'This is not a code that is waiting. Look at the device again, and type it letter by letter.'
  return faults.get(error?.name ?? '') ?? unknown
}

type Confirmed = [koa: KoaContextWithOIDC, form: string, client: Client, deviceInfo: unknown, userCode: string]

function userCodeConfirmSource(...[koa, , client, , userCode]: Confirmed): void {
  showPage(
    koa,
    frame({
      title: 'Is this your device?',
      main: html`<h1>Is this your device?</h1>
        <p class="lead">
          <strong>${clientName(client)}</strong> asks to act for you. Go on only if you started this yourself, and the
          device shows this very code:
        </p>
        <p class="code">${userCode}</p>
        <p>If somebody sent you here, by mail or telephone, refuse: they would act in your name.</p>
        <form method="post" action="${actionOf(koa)}">
          <input type="hidden" name="xsrf" value="${secretOf(koa)}" />
          <input type="hidden" name="user_code" value="${userCode}" />
          <div class="buttons">
            <button name="confirm" value="yes">It is mine, continue</button>
            <button name="abort" value="yes" class="plain">Refuse</button>
          </div>
        </form>`,
    }),
  )
}

function successSource(koa: KoaContextWithOIDC): void {
  showPage(
    koa,
    frame({
      title: 'Device connected',
      main: html`<h1>Device connected</h1>
        <p class="lead">You can close this page and go back to the device.</p>`,
    }),
  )
}

function actionOf({ oidc }: KoaContextWithOIDC): string {
  return oidc.urlFor('code_verification')
}

function secretOf({ oidc }: KoaContextWithOIDC): string {
  const secret: unknown = Reflect.get(Object(oidc.session?.state), 'secret')
  return typeof secret === 'string' ? secret : ''
}
