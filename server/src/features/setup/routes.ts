import * as contract from '@agent-iam/contract/setup'
import { route } from '../../platform/route.ts'
import { completeSetup } from './service.ts'

export const setupRoutes = [
  route(contract.completeSetup, async (ctx, { body: { token, ...administrator } }) => ({
    email: administrator.email.toLowerCase(),
    accounts: await completeSetup(ctx, token, administrator),
    notice:
      'You administer the tenant "default", and you operate the platform itself (tenant "platform"). ' +
      'In production give the two to different people.',
  })),
]
