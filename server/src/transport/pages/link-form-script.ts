import { passwordCharactersMax, passwordCharactersMin } from '@agent-iam/contract/passwords'

interface LinkFormScript {
  /** Where the form goes, as JSON with the link's `token`. */
  readonly endpoint: string
  /** The ids of the form's inputs. */
  readonly inputs: readonly string[]
  /** What to say of a link without its token. */
  readonly incomplete: { readonly title: string; readonly detail: string }
  /** What to try when the server does not answer. */
  readonly unreachable: string
  /**
   * Code of the page: `checkInputs()` marks what is wrong, `contents()` is what is sent beside the token,
   * `showDone(answer)` fills the section that is shown once it worked.
   */
  readonly own: string
}

/** Reads the token from the link, takes it out of the address bar and the history, and sends the form as JSON. */
export function linkFormScript({ endpoint, inputs, incomplete, unreachable, own }: LinkFormScript): string {
  return `
const byId = (id) => document.getElementById(id)
const form = byId('form')
const inputs = ${JSON.stringify(inputs)}.map(byId)
const token = new URLSearchParams(location.hash.slice(1)).get('token')
history.replaceState(null, '', location.pathname)

if (!token) {
  refuse(${JSON.stringify(incomplete.title)}, ${JSON.stringify(incomplete.detail)})
  form.hidden = true
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  clearFaults()
  checkInputs()
  if (focusFirstFault()) return
  const button = form.querySelector('button')
  button.disabled = true
  try {
    await send()
  } catch {
    refuse('The server does not answer', ${JSON.stringify(unreachable)})
  } finally {
    button.disabled = false
  }
})

async function send() {
  const response = await fetch(${JSON.stringify(endpoint)}, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, ...contents() }),
  })
  const answer = await response.json()
  if (response.ok) succeed(answer)
  else showProblem(answer)
}
${own}${outcome}`
}

/** What the page does with the server's answer. */
const outcome = `
function succeed(answer) {
  form.hidden = true
  showDone(answer)
  byId('done').hidden = false
  byId('done').focus()
}

function showProblem(problem) {
  const rest = []
  for (const { field, message } of problem.errors ?? []) {
    const input = inputs.find((input) => input.name && input.name === field)
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

/** Part of a page's `checkInputs`, for a password which is to be and is typed twice. */
export function checkNewPassword(id: string): string {
  return `
  const password = byId(${JSON.stringify(id)})
  if ([...password.value].length < ${passwordCharactersMin}) fault(password, 'At least ${passwordCharactersMin} characters are needed.')
  if ([...password.value].length > ${passwordCharactersMax}) fault(password, 'At most ${passwordCharactersMax} characters are taken.')
  if (byId('again').value !== password.value) fault(byId('again'), 'This is not the same password.')`
}
