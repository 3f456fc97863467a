import type { Provider } from 'oidc-provider'

/**
 * Lets the provider end a request whose browser session it never stored. Its error page of the device flow changes the
 * session after the cookie was to be set; the provider then saves what was stored before, and throws where nothing was.
 * Without a cookie nobody can come back to such a session, so it is not stored: strangers leave no row behind.
 */
export function dropUnsavedSessions({ Session }: Provider): void {
  const persist: unknown = Reflect.get(Session.prototype, 'persist')
  if (typeof persist !== 'function') throw new Error('the provider saves its sessions in another way')
  Reflect.set(Session.prototype, 'persist', async function persistSaved(this: object): Promise<unknown> {
    return typeof Reflect.get(this, 'exp') === 'number' ? Reflect.apply(persist, this, []) : undefined
  })
}
