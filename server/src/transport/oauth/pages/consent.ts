import type { Page } from '../../pages/document.ts'
import { html, type Html } from '../../pages/html.ts'
import type { ConsentQuestion } from '../consent.ts'
import { clientName } from './client-name.ts'
import { frame } from './frame.ts'
import { scopeInWords } from './scope-words.ts'

interface Consent extends ConsentQuestion {
  readonly csrfToken: string
  readonly formTargets: readonly string[]
}

/** What a client asks for, who vouches for it, and where the answer goes. */
export function consentPage(consent: Consent): Page {
  const name = clientName(consent.client)
  return frame({
    title: `Let ${name} in?`,
    formTargets: consent.formTargets,
    main: html`<h1>Let ${name} act for you?</h1>
      ${facts(consent)} ${warning(consent)}
      <h2 id="asks">It asks to</h2>
      <ul class="scopes" aria-labelledby="asks">
        ${consent.openIdScopes.map((scope) => html`<li>${scopeInWords(scope)}</li>`)}
        ${consent.resources.flatMap((resource) => resource.scopes.map((scope) => item(resource, scope)))}
      </ul>
      <p class="hint">It never gets more than you may do yourself, and you can end it at any time.</p>
      <form method="post">
        <input type="hidden" name="csrf" value="${consent.csrfToken}" />
        <div class="buttons">
          <button name="allow" value="yes">Allow</button>
          <button name="refuse" value="yes" class="plain">Refuse</button>
        </div>
      </form>`,
  })
}

function item({ isOwn, name }: ConsentQuestion['resources'][number], scope: string): Html {
  if (isOwn) return html`<li>${scopeInWords(scope)}</li>`
  return html`<li><code>${scope}</code> at <strong>${name}</strong></li>`
}

function facts({ client, vouching, redirectUri, account }: Consent): Html {
  return html`<dl class="who">
    <dt>Application</dt>
    <dd><strong>${clientName(client)}</strong></dd>
    <dt>Known by</dt>
    <dd>${vouchingInWords(vouching, client.clientId)}</dd>
    <dt>Sends you to</dt>
    <dd>${destination(redirectUri)}</dd>
    <dt>Your account</dt>
    <dd>${account}</dd>
  </dl>`
}

function vouchingInWords(vouching: Consent['vouching'], clientId: string): Html {
  if (vouching === 'registered') return html`registered by an administrator`
  if (vouching === 'dynamic') return html`not verified: it registered itself`
  return html`not verified: described by <strong>${URL.parse(clientId)?.host ?? clientId}</strong>`
}

function destination(redirectUri: string | undefined): Html {
  const url = redirectUri === undefined ? null : URL.parse(redirectUri)
  if (!url) return html`nowhere: you stay here`
  if (['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) return html`a program on this computer (${url.host})`
  return url.host === '' ? html`an application (${url.protocol})` : html`<strong>${url.host}</strong>`
}

function warning({ vouching, client }: Consent): Html | undefined {
  if (vouching === 'registered') return undefined
  return html`<div class="notice bad">
    <p>
      Nobody here vouches for ${clientName(client)}. Its name is its own choice. Allow only what you started yourself.
    </p>
  </div>`
}
