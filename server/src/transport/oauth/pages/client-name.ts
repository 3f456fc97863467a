import type { Client } from 'oidc-provider'

/** A screen shows no longer ones, and nobody reads them. */
const charactersMax = 100
// Controls, and the marks that make a name read as another: an application chose this text.
// oxlint-disable-next-line no-control-regex -- naming the control characters is the point
const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** What a client calls itself, fit to be shown; what it is named on the wire where it has no name. */
export function clientName({ clientName: name, clientId }: Pick<Client, 'clientName' | 'clientId'>): string {
  const shown = (name ?? '').replaceAll(invisible, '').trim().slice(0, charactersMax)
  return shown === '' ? clientId : shown
}
