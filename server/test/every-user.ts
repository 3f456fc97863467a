import * as users from '@agent-iam/contract/users'
import type { TestServer } from './test-server.ts'

/** Every operation on users once, as an administrator would. */
export async function callEveryUserOperation({ api }: TestServer, token: string): Promise<void> {
  const imported = await api.call(users.importUsers, { ...users.importUsers.example, token })
  for (const { userId } of imported.users) await api.call(users.unlockUser, { params: { userId }, token })
}
