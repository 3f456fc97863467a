/**
 * Accounts: how people come by one, keep it and lose it. Whether an address has an account is told to nobody but its
 * owner, by mail: for strangers, known and unknown take the same steps. What is mailed is a secret of 256 bits, good once
 * and for a while, of which a digest is kept; a new password ends every session that the old one began.
 */
export { changePassword } from './change-password.ts'
export { answerResetRequests, forgotPassword, resetPassword } from './reset-password.ts'
export { confirmRegistration, findRegistrationStatus, registerUser } from './register.ts'
export {
  approveRegistration,
  isRegistrationOpen,
  pageRegistrations,
  rejectRegistration,
  setRegistrationOpen,
} from './registrations.ts'
export { setUserRole } from './roles.ts'
export {
  acceptInvitation,
  inviteFirstAdministrator,
  inviteUser,
  pageInvitations,
  revokeInvitation,
} from './invitations.ts'
export { deleteUser, revokeUser } from './leaving.ts'
export { updateUser } from './update-user.ts'
export { lockWithAdministrators } from './store/users.ts'
export {
  endInvitationsOf,
  getUser,
  pageUsers,
  reactivateUser,
  requireAnotherAdministrator,
  suspendUser,
} from './users.ts'
