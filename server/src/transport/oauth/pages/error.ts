import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import type { Page } from '../../pages/document.ts'
import { html } from '../../pages/html.ts'
import { frame } from './frame.ts'
import { showPage } from './send.ts'

/** What to do next, by the error's OAuth name. Who wrote the client reads the name itself below. */
const advice = new Map([
  ['invalid_client', 'This application is not known here. Ask whoever runs it, or an administrator, to register it.'],
  [
    'invalid_redirect_uri',
    'The address to return to is not one that the application registered, so nothing was sent there.',
  ],
  ['invalid_request', 'The link is not complete, too old, or was used already. Start again in the application.'],
  ['access_denied', 'Nothing was given to the application.'],
  ['server_error', 'Something went wrong on our side. Try again; if it goes on, tell the operator.'],
])

export function errorPage({ error, error_description: description }: ErrorOut): Page {
  return frame({
    title: 'This did not work',
    main: html`<h1>This did not work</h1>
      <p class="lead">${advice.get(error) ?? 'Start again in the application that sent you here.'}</p>
      <div class="notice bad" role="alert">
        <p><code>${error}</code></p>
        <p>${description}</p>
      </div>`,
  })
}

/** Called where an error may not go back to the client, or it is a person who sees it. */
export function renderError(koa: KoaContextWithOIDC, out: ErrorOut): void {
  showPage(koa, errorPage(out))
}
