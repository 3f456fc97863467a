import type * as contract from '@agent-iam/contract/clients'
import type { ClientId, ResourceId } from '@agent-iam/contract/ids'
import { Problem } from '../../platform/problem.ts'
import { refusalOf } from '../../platform/public-keys.ts'

export type ClientSource = contract.OauthClient['source']
export type AuthMethod = contract.OauthClient['authMethod']

/** What an administrator may say of a client. */
export type ClientSettings = Pick<
  contract.OauthClient,
  | 'name'
  | 'redirectUris'
  | 'postLogoutRedirectUris'
  | 'grantTypes'
  | 'applicationType'
  | 'defaultScopes'
  | 'jwks'
  | 'requireDpop'
>

/** An application that people let act for them. It is no identity: what it does, it does as the person. */
export interface Client extends ClientSettings {
  readonly id: ClientId
  readonly source: ClientSource
  readonly authMethod: AuthMethod
  /** Where its metadata lies, if it was read from there; this is then its name on the wire. */
  readonly url: string | undefined
  readonly secretDigest: Buffer | undefined
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedAt: Date
  /** When it is forgotten, should it not be used until then. */
  readonly expiresAt: Date | undefined
}

export interface Resource {
  readonly id: ResourceId
  readonly resource: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly introspectedBy: readonly string[]
  readonly createdBy: string
  readonly createdAt: Date
}

/** How an OAuth token's session came to be. */
export const oauthMethod = 'oauth'

export const clientSecretPrefix = 'cls_'

/** A client that registered itself and is not used within an hour was made in vain, or to fill our tables. */
export const unusedClientSeconds = 3600

/** Registrations from one network in one hour: a person tries a few applications, a program that floods tries more. */
export const registrationsPerHourMax = 20

export function hasSecret(authMethod: AuthMethod): boolean {
  return authMethod === 'client_secret_basic' || authMethod === 'client_secret_post'
}

/** Refuses settings that do not belong together. */
export function requireConsistent(settings: ClientSettings & { readonly authMethod: AuthMethod }): void {
  const { authMethod, jwks, grantTypes, redirectUris } = settings
  if ((authMethod === 'private_key_jwt') !== (jwks !== undefined))
    refuse('jwks', 'is for private_key_jwt, and needed there')
  if (grantTypes.includes('authorization_code') && redirectUris.length === 0)
    refuse('redirectUris', 'needs at least one for authorization_code')
  if (grantTypes.every((grantType) => grantType === 'refresh_token'))
    refuse('grantTypes', 'refresh_token alone begins nothing; add authorization_code or device_code')
  requireAcceptedKeys(jwks)
}

/** Refuses key sets with a key that would verify no assertion. */
function requireAcceptedKeys(jwks: ClientSettings['jwks']): void {
  for (const [place, key] of (jwks?.keys ?? []).entries()) {
    const refusal = refusalOf(key)
    if (refusal !== undefined) refuse('jwks', `key ${place + 1}: ${refusal}`)
  }
}

function refuse(field: string, message: string): never {
  throw new Problem('invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })
}

/** What an administrator may change; a field that is not sent stays. */
export type ClientChange = { readonly [Field in keyof ClientSettings]?: ClientSettings[Field] | undefined }

export function applyChange(client: Client, change: ClientChange, updatedAt: Date): Client {
  return {
    ...client,
    name: change.name ?? client.name,
    redirectUris: change.redirectUris ?? client.redirectUris,
    postLogoutRedirectUris: change.postLogoutRedirectUris ?? client.postLogoutRedirectUris,
    grantTypes: change.grantTypes ?? client.grantTypes,
    applicationType: change.applicationType ?? client.applicationType,
    defaultScopes: change.defaultScopes ?? client.defaultScopes,
    jwks: change.jwks ?? client.jwks,
    requireDpop: change.requireDpop ?? client.requireDpop,
    updatedAt,
  }
}

/** A client as the API shows it: never its secret. */
export function toWire(client: Client): contract.OauthClient {
  return {
    clientId: client.id,
    name: client.name,
    redirectUris: [...client.redirectUris],
    postLogoutRedirectUris: [...client.postLogoutRedirectUris],
    grantTypes: [...client.grantTypes],
    applicationType: client.applicationType,
    defaultScopes: [...client.defaultScopes],
    ...(client.jwks && { jwks: client.jwks }),
    requireDpop: client.requireDpop,
    authMethod: client.authMethod,
    source: client.source,
    metadataUrl: client.url ?? null,
    createdBy: client.createdBy,
    createdAt: client.createdAt.toISOString(),
    updatedAt: client.updatedAt.toISOString(),
    expiresAt: client.expiresAt?.toISOString() ?? null,
  }
}

export function resourceToWire({ id, createdAt, ...resource }: Resource): contract.OauthResource {
  return {
    ...resource,
    resourceId: id,
    scopes: [...resource.scopes],
    introspectedBy: [...resource.introspectedBy],
    createdAt: createdAt.toISOString(),
  }
}
