import { passwordCharactersMin } from '@agent-iam/contract/passwords'

interface MailedLink {
  /** Where the form goes, as JSON with the link's `token`. */
  readonly endpoint: string
  /** The fields of the form that are sent; `again` beside a new password is compared only. */
  readonly fields: readonly string[]
  /** The field that holds a password which is to be, so it is typed twice. */
  readonly newPassword?: string
}

/** Reads the token from the link, takes it out of the address bar and the history, and sends the form as JSON. */
export function mailedLinkScript({ endpoint, fields, newPassword }: MailedLink): string {
  return `
const byId = (id) => document.getElementById(id)
const form = byId('form')
const inputs = ${JSON.stringify([...fields, ...(newPassword === undefined ? [] : ['again'])])}.map(byId)
const token = new URLSearchParams(location.hash.slice(1)).get('token')
history.replaceState(null, '', location.pathname)
// Another link opened in the same tab changes nothing but the fragment.
addEventListener('hashchange', () => location.reload())

if (!token) {
  refuse('The link is not complete', 'Open the whole link of the message, with #token= and what follows it.')
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
    refuse('The server does not answer', 'See whether you are online, then try again.')
  } finally {
    button.disabled = false
  }
})

async function send() {
  const sent = Object.fromEntries(inputs.filter((input) => input.name && input.value).map((input) => [input.name, input.value]))
  const response = await fetch(${JSON.stringify(endpoint)}, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, ...sent }),
  })
  const answer = await response.json()
  if (response.ok) succeed(answer)
  else showProblem(answer)
}

function isComplete() {
  const [again] = inputs.filter((input) => input.id === 'again')
  for (const input of inputs) if (input.required && !input.value) fault(input, 'This is needed.')
${newPassword === undefined ? '' : compareTwice(newPassword)}  return focusFirstFault() === undefined
}
${outcome}`
}

/** What the page does with the server's answer. */
const outcome = `
function showProblem(problem) {
  const rest = []
  for (const { field, message } of problem.errors ?? []) {
    const input = inputs.find((input) => input.name && input.name === field)
    if (input) fault(input, /^[a-z]/.test(message) ? input.labels[0].textContent + ' ' + message : message)
    else rest.push(field + ': ' + message)
  }
  const isAllBelow = rest.length === 0 && (problem.errors ?? []).length > 0
  const detail = isAllBelow ? 'Mend what is marked below.' : [problem.detail, ...rest].filter(Boolean).join(' ')
  refuse(problem.title, detail.charAt(0).toUpperCase() + detail.slice(1))
  focusFirstFault()
}

function succeed(answer) {
  form.hidden = true
  byId('done-notice').textContent = answer.notice ?? 'Log in as ' + answer.email + ', in the tenant "' + answer.tenant + '".'
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

function compareTwice(newPassword: string): string {
  return `  const password = byId(${JSON.stringify(newPassword)})
  if ([...password.value].length < ${passwordCharactersMin}) fault(password, 'At least ${passwordCharactersMin} characters are needed.')
  if (again.value !== password.value) fault(again, 'This is not the same password.')
`
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
