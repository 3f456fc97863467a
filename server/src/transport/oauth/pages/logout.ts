import type { KoaContextWithOIDC } from 'oidc-provider'
import { html } from '../../pages/html.ts'
import { formTargetOf, frame } from './frame.ts'
import { showPage } from './send.ts'

/** OpenID Connect RP-Initiated Logout: nobody is logged out without being asked. */
export const logoutPages = { logoutSource, postLogoutSuccessSource }

function logoutSource(koa: KoaContextWithOIDC): void {
  const { secret, postLogoutRedirectUri }: Record<string, unknown> = { ...koa.oidc.session?.state }
  showPage(
    koa,
    frame({
      title: 'Log out',
      formTargets: formTargetOf(postLogoutRedirectUri),
      main: html`<h1>Log out?</h1>
        <p class="lead">You will be logged out here, and of the applications that you let in by this login.</p>
        <form method="post" action="${koa.oidc.urlFor('end_session_confirm')}">
          <input type="hidden" name="xsrf" value="${typeof secret === 'string' ? secret : ''}" />
          <div class="buttons">
            <button name="logout" value="yes">Log out</button>
            <button class="plain">Stay logged in</button>
          </div>
        </form>`,
    }),
  )
}

function postLogoutSuccessSource(koa: KoaContextWithOIDC): void {
  showPage(
    koa,
    frame({
      title: 'Logged out',
      main: html`<h1>You are logged out</h1>
        <p class="lead">You can close this page.</p>`,
    }),
  )
}
