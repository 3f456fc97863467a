/**
 * Shows the button where the browser knows passkeys, and sends what the passkey answers with the form. The options are
 * fetched when they are needed, since their challenge is good for minutes and the page may stay open for hours. Bytes are
 * written by hand: not every browser, and no add-on that stands in for one, has `toJSON`.
 */
export const passkeyScript = `
const button = document.getElementById('use-passkey')
const fault = document.getElementById('fault')
const { form } = button
button.hidden = !(window.PublicKeyCredential && navigator.credentials)

button.addEventListener('click', async () => {
  button.disabled = true
  fault.textContent = ''
  try {
    const passkey = await answer(await fetchOptions())
    form.elements.passkey.value = JSON.stringify(passkey)
    form.submit()
    form.elements.passkey.value = ''
  } catch (error) {
    fault.textContent = error instanceof DOMException
      ? 'No passkey was used. Try again, or go on without one.'
      : 'The server does not answer. Try again.'
  } finally {
    button.disabled = false
  }
})

async function fetchOptions() {
  const response = await fetch('/api/v1/auth/passkeys/options', { method: 'POST' })
  if (!response.ok) throw new Error('no options')
  const { options } = await response.json()
  return { ...options, challenge: toBytes(options.challenge) }
}

async function answer(publicKey) {
  const { id, type, response } = await navigator.credentials.get({ publicKey })
  const { clientDataJSON, authenticatorData, signature, userHandle } = response
  return {
    id,
    rawId: id,
    type,
    response: {
      clientDataJSON: toText(clientDataJSON),
      authenticatorData: toText(authenticatorData),
      signature: toText(signature),
      userHandle: userHandle && toText(userHandle),
    },
  }
}

function toBytes(text) {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))
}

function toText(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)))
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
`
