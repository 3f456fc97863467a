import { nameCharactersMax } from '@agent-iam/contract/text'
import type { Page } from './document.ts'
import { html } from './html.ts'
import { layout } from './layout.ts'
import { field, linkForm, newPasswordFields } from './link-form.ts'
import { acceptInvitationScript, confirmRegistrationScript, resetPasswordScript } from './mailed-link-script.ts'

// The pages behind links that come by mail.

export function resetPasswordPage(): Page {
  return mailedLinkPage({
    path: '/reset-password',
    form: {
      title: 'Set a new password',
      lead: 'All your sessions end with the old password. The link works once.',
      fields: newPasswordFields('newPassword'),
      button: 'Set the password',
      done: { title: 'The password is set' },
      byHand: 'POST /api/v1/auth/reset-password {"token":"…","newPassword":"…"}',
    },
    script: resetPasswordScript,
  })
}

export function confirmRegistrationPage(): Page {
  return mailedLinkPage({
    path: '/confirm-registration',
    form: {
      title: 'Confirm your address',
      lead: 'Give the password that you chose when you asked for the account. If you did not ask for one, close this page.',
      fields: [
        field({
          id: 'password',
          label: 'Password',
          attributes: html`name="password" type="password" autocomplete="current-password" required`,
        }),
      ],
      button: 'Confirm',
      done: { title: 'The address is confirmed' },
      byHand: 'POST /api/v1/public/registrations/confirm {"token":"…","password":"…"}',
    },
    script: confirmRegistrationScript,
  })
}

export function acceptInvitationPage(): Page {
  return mailedLinkPage({
    path: '/accept-invitation',
    form: {
      title: 'Accept the invitation',
      lead: 'Choose how you log in. The link works once.',
      fields: [
        field({
          id: 'name',
          label: 'Name',
          hint: 'Left empty, it is the one in the invitation.',
          attributes: html`name="name" autocomplete="name" maxlength="${nameCharactersMax}"`,
        }),
        ...newPasswordFields('password'),
      ],
      button: 'Accept',
      done: { title: 'You have an account' },
      byHand: 'POST /api/v1/public/invitations/accept {"token":"…","password":"…"}',
    },
    script: acceptInvitationScript,
  })
}

interface MailedLink {
  readonly path: '/reset-password' | '/confirm-registration' | '/accept-invitation'
  readonly form: Parameters<typeof linkForm>[0]
  readonly script: string
}

function mailedLinkPage({ path, form, script }: MailedLink): Page {
  return layout({ title: `${form.title} · Agent IAM`, path, script, main: linkForm(form) })
}
