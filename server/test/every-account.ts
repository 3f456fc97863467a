import * as accounts from '@agent-iam/contract/accounts'
import * as invitations from '@agent-iam/contract/invitations'
import * as mail from '@agent-iam/contract/mail'
import * as registrations from '@agent-iam/contract/registrations'
import { mailedToken } from './mailbox.ts'
import { password, type TestServer } from './test-server.ts'

/** Every operation on accounts once, each accepted. */
export async function callEveryAccountOperation(server: TestServer): Promise<void> {
  const token = await server.admin()
  for (const page of [
    accounts.resetPasswordPage,
    registrations.confirmRegistrationPage,
    invitations.acceptInvitationPage,
  ])
    await server.api.call(page)
  await register(server, token)
  await invite(server, token)
  await server.api.call(mail.listMessages, { ...mail.listMessages.example, token })
  await changePasswords(server, token)
}

async function register(server: TestServer, token: string): Promise<void> {
  const { api } = server
  await api.call(registrations.setRegistrationSettings, { body: { selfRegistration: 'approval' }, token })
  await api.call(registrations.getRegistrationSettings, { token })
  const { body } = registrations.registerUser.example
  if (!body) throw new Error('the example of a registration has a body')
  const { registrationId, statusToken } = await api.call(registrations.registerUser, { body })
  const proof = await mailedToken(server, body.email, token)
  await api.call(registrations.confirmRegistration, { body: { token: proof, password: body.password } })
  await api.call(registrations.getRegistrationStatus, { body: { registrationId, statusToken } })
  await api.call(registrations.listRegistrations, { ...registrations.listRegistrations.example, token })
  const params = { registrationId }
  const { userId } = await api.call(registrations.approveRegistration, {
    ...registrations.approveRegistration.example,
    params,
    token,
  })
  const second = await api.call(registrations.registerUser, { body: { ...body, email: 'second@example.com' } })
  const rejected = { registrationId: second.registrationId }
  await api.call(registrations.rejectRegistration, { params: rejected, body: { reason: 'unknown' }, token })
  await api.call(accounts.listUsers, { ...accounts.listUsers.example, token })
  if (userId === null) throw new Error('an approved registration has a user')
  await api.call(accounts.suspendUser, { ...accounts.suspendUser.example, params: { userId }, token })
  await api.call(accounts.reactivateUser, { ...accounts.reactivateUser.example, params: { userId }, token })
}

async function invite(server: TestServer, token: string): Promise<void> {
  const { api } = server
  const { inviteUser } = invitations
  await api.call(inviteUser, { ...inviteUser.example, token })
  const link = await mailedToken(server, inviteUser.example.body?.email ?? '', token)
  const { body } = invitations.acceptInvitation.example
  await api.call(invitations.acceptInvitation, { body: { password: body?.password ?? '', token: link } })
  const { invitationId } = await api.call(inviteUser, { body: { email: 'other@example.com', name: 'Other' }, token })
  await api.call(invitations.listInvitations, { token })
  await api.call(invitations.revokeInvitation, { params: { invitationId }, token })
}

async function changePasswords(server: TestServer, admin: string): Promise<void> {
  const { api } = server
  const { token, email } = await server.user('member')
  const newPassword = accounts.changePassword.example.body?.newPassword ?? ''
  await api.call(accounts.changePassword, { body: { currentPassword: password, newPassword }, token })
  await api.call(accounts.forgotPassword, { body: { email } })
  const link = await mailedToken(server, email, admin)
  await api.call(accounts.resetPassword, { body: { token: link, newPassword: 'nine brown otters on the bank' } })
}
