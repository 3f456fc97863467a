import * as contract from '@agent-iam/contract/system'
import { resetPasswordPage } from '@agent-iam/contract/accounts'
import { acceptInvitationPage } from '@agent-iam/contract/invitations'
import { confirmRegistrationPage } from '@agent-iam/contract/registrations'
import { setupPage } from '@agent-iam/contract/setup'
import { z } from 'zod'
import { readiness } from '../platform/health.ts'
import { route, type Route } from '../platform/route.ts'
import type { Telemetry } from '../platform/telemetry.ts'
import { openApiDocument } from './openapi.ts'
import { renderPage } from './pages/pages.ts'

export interface SystemState {
  readonly telemetry: Telemetry
  readonly auditLag: () => number
}

const OpenApi = z.record(z.string(), z.json())

/** What belongs to no feature: pages, health, metrics and the API's own description. */
export function systemRoutes({ telemetry, auditLag }: SystemState): Route[] {
  return [
    page(contract.homePage),
    page(contract.docsPage),
    page(setupPage),
    page(resetPasswordPage),
    page(confirmRegistrationPage),
    page(acceptInvitationPage),
    route(contract.openapi, (ctx) => Promise.resolve(OpenApi.parse(openApiDocument(ctx.keys.publicUrl)))),
    route(contract.metrics, () => telemetry.exposition()),
    route(contract.healthLive, () => Promise.resolve({ status: 'ok', checks: {} })),
    route(contract.healthReady, (ctx) => readiness(ctx, auditLag())),
    // The server listens only once migrations and first start are done, so an answer is the proof.
    route(contract.healthStartup, () => Promise.resolve({ status: 'ok', checks: {} })),
  ]
}

function page(operation: typeof contract.homePage): Route {
  return route(operation, (ctx) => Promise.resolve(renderPage(operation.id, ctx.keys.publicUrl).html))
}
