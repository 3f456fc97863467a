import { checkNewPassword, linkFormScript } from './link-form-script.ts'

interface MailedLink {
  /** Where the form goes, as JSON with the link's `token`. */
  readonly endpoint: string
  /** The fields of the form that are sent; `again` beside a new password is compared only. */
  readonly fields: readonly string[]
  /** The field that holds a password which is to be, so it is typed twice. */
  readonly newPassword?: string
}

function mailedLinkScript({ endpoint, fields, newPassword }: MailedLink): string {
  return linkFormScript({
    endpoint,
    inputs: newPassword === undefined ? fields : [...fields, 'again'],
    incomplete: {
      title: 'The link is not complete',
      detail: 'Open the whole link of the message, with #token= and what follows it.',
    },
    unreachable: 'See whether you are online, then try again.',
    own: `
// Another link opened in the same tab changes nothing but the fragment; so does the way to the content, which is none.
addEventListener('hashchange', () => { if (location.hash.includes('token=')) location.reload() })

function checkInputs() {
  for (const input of inputs) if (input.required && !input.value) fault(input, 'This is needed.')${
    newPassword === undefined ? '' : checkNewPassword(newPassword)
  }
}

function contents() {
  return Object.fromEntries(inputs.filter((input) => input.name && input.value).map((input) => [input.name, input.value]))
}

function showDone({ notice, email, tenant }) {
  byId('done-notice').textContent = notice ?? 'Log in as ' + email + ', in the tenant "' + tenant + '".'
}
`,
  })
}

export const resetPasswordScript = mailedLinkScript({
  endpoint: '/api/v1/auth/reset-password',
  fields: ['newPassword'],
  newPassword: 'newPassword',
})

export const confirmRegistrationScript = mailedLinkScript({
  endpoint: '/api/v1/public/registrations/confirm',
  fields: ['password'],
})

export const acceptInvitationScript = mailedLinkScript({
  endpoint: '/api/v1/public/invitations/accept',
  fields: ['name', 'password'],
  newPassword: 'password',
})
