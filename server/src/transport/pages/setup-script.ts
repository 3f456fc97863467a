import { checkNewPassword, linkFormScript } from './link-form-script.ts'

export const setupScript = linkFormScript({
  endpoint: '/api/v1/setup',
  inputs: ['email', 'name', 'password', 'again'],
  incomplete: {
    title: 'The setup link is not complete',
    detail: 'Open the whole link that the server showed at its first start, with #token= at its end.',
  },
  unreachable: 'See whether it is running, then try again.',
  own: `
function checkInputs() {
  if (!byId('email').validity.valid) fault(byId('email'), 'Give an e-mail address.')
  if (!byId('name').value.trim()) fault(byId('name'), 'Give a name.')${checkNewPassword('password')}
}

function contents() {
  return { email: byId('email').value.trim(), name: byId('name').value.trim(), password: byId('password').value }
}

function showDone({ email, accounts, notice }) {
  byId('done-notice').textContent = notice
  for (const { tenant, role } of accounts) {
    const item = document.createElement('li')
    item.textContent = tenant + ' (' + role + ')'
    byId('accounts').append(item)
  }
  const tenant = accounts.at(-1)?.tenant ?? 'default'
  const body = JSON.stringify({ email, password: '…', tenant: accounts.some((account) => account.tenant === 'default') ? 'default' : tenant })
  byId('done-login').textContent =
    'curl ' + location.origin + "/api/v1/auth/login \\\\\\n  -H 'Content-Type: application/json' \\\\\\n  -d '" + body + "'"
}
`,
})
