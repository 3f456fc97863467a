import { passwordCharactersMin } from '@agent-iam/contract/passwords'

/** Reads the token from the link, takes it out of the address bar and the history, and sends the form as JSON. */
export const setupScript = `
const byId = (id) => document.getElementById(id)
const form = byId('setup')
const inputs = ['email', 'name', 'password', 'again'].map(byId)
const token = new URLSearchParams(location.hash.slice(1)).get('token')
history.replaceState(null, '', location.pathname)

if (!token) {
  refuse('The setup link is not complete', 'Open the whole link that the server showed at its first start, with #token= at its end.')
  form.hidden = true
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  clearFaults()
  if (!isComplete()) return
  const button = form.querySelector('button')
  button.disabled = true
  try {
    await send()
  } catch {
    refuse('The server does not answer', 'See whether it is running, then try again.')
  } finally {
    button.disabled = false
  }
})

async function send() {
  const [email, name, password] = inputs.map((input) => input.value)
  const response = await fetch('/api/v1/setup', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, email: email.trim(), name: name.trim(), password }),
  })
  const answer = await response.json()
  if (response.ok) succeed(answer)
  else showProblem(answer)
}

function isComplete() {
  const [email, name, password, again] = inputs
  if (!email.validity.valid) fault(email, 'Give an e-mail address.')
  if (!name.value.trim()) fault(name, 'Give a name.')
  if ([...password.value].length < ${passwordCharactersMin}) fault(password, 'At least ${passwordCharactersMin} characters are needed.')
  if (again.value !== password.value) fault(again, 'This is not the same password.')
  return focusFirstFault() === undefined
}

function showProblem(problem) {
  const rest = []
  for (const { field, message } of problem.errors ?? []) {
    const input = inputs.find((input) => input.name && input.name === field.split('.').at(-1))
    if (input) fault(input, sentence(input, message))
    else rest.push(field + ': ' + message)
  }
  const isAllBelow = rest.length === 0 && (problem.errors ?? []).length > 0
  const detail = isAllBelow ? 'Mend what is marked below.' : [problem.detail, ...rest].filter(Boolean).join(' ')
  refuse(problem.title, capitalised(detail))
  focusFirstFault()
}

/** A message such as 'is too short' goes on from the name of its field. */
function sentence(input, message) {
  return /^[a-z]/.test(message) ? input.labels[0].textContent + ' ' + message : message
}

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function succeed({ email, accounts, notice }) {
  form.hidden = true
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
  byId('done').hidden = false
  byId('done').focus()
}

function refuse(title, detail) {
  byId('refusal-title').textContent = title
  byId('refusal-detail').textContent = detail
  byId('refusal').hidden = false
  byId('refusal').focus()
}

function fault(input, message) {
  input.setAttribute('aria-invalid', 'true')
  byId(input.id + '-fault').textContent = message
}

function clearFaults() {
  byId('refusal').hidden = true
  for (const input of inputs) {
    input.removeAttribute('aria-invalid')
    byId(input.id + '-fault').textContent = ''
  }
}

function focusFirstFault() {
  const first = inputs.find((input) => input.getAttribute('aria-invalid') === 'true')
  first?.focus()
  return first
}
`
