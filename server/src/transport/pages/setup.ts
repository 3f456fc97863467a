import { passwordCharactersMax, passwordCharactersMin } from '@agent-iam/contract/passwords'
import { html } from './html.ts'
import { layout, type Page } from './layout.ts'
import { setupScript } from './setup-script.ts'

/**
 * The page behind the setup link. The link's secret is in the fragment, which a browser sends to nobody; so the page
 * needs its script, and says what to do without.
 */
export function setupPage(): Page {
  return layout({ title: 'Set up · Agent IAM', path: '/setup', script: setupScript, main })
}

const withoutScript = `curl -X POST "$URL/api/v1/setup" -H 'Content-Type: application/json' \\
  -d '{"token":"…","email":"you@example.com","password":"…"}'`

const main = html`
  <div class="form">
    <h1>Set up Agent IAM</h1>
    <p class="lead">Choose how the administrator logs in. The setup link works once.</p>
    <noscript>
      <div class="notice bad">
        <p>This page needs JavaScript to read the link. Without it, send what follows <code>#token=</code> yourself:</p>
        <pre><code>${withoutScript}</code></pre>
      </div>
    </noscript>
    <div id="refusal" class="notice bad" role="alert" tabindex="-1" hidden>
      <p><strong id="refusal-title"></strong></p>
      <p id="refusal-detail"></p>
    </div>
    <form id="setup" novalidate>
      <label for="email">E-mail</label>
      <input
        id="email"
        name="email"
        type="email"
        autocomplete="username"
        maxlength="254"
        required
        aria-describedby="email-fault"
      />
      <p class="fault" id="email-fault"></p>

      <label for="name">Name</label>
      <input
        id="name"
        name="name"
        autocomplete="name"
        maxlength="100"
        value="Administrator"
        required
        aria-describedby="name-fault"
      />
      <p class="fault" id="name-fault"></p>

      <label for="password">Password</label>
      <input
        id="password"
        name="password"
        type="password"
        autocomplete="new-password"
        required
        minlength="${passwordCharactersMin}"
        maxlength="${passwordCharactersMax}"
        aria-describedby="password-hint password-fault"
      />
      <p class="hint" id="password-hint">At least ${passwordCharactersMin} characters. A sentence is good.</p>
      <p class="fault" id="password-fault"></p>

      <label for="again">Password again</label>
      <input
        id="again"
        type="password"
        autocomplete="new-password"
        required
        maxlength="${passwordCharactersMax}"
        aria-describedby="again-fault"
      />
      <p class="fault" id="again-fault"></p>

      <button>Set up</button>
    </form>
    <section id="done" class="notice good" tabindex="-1" aria-labelledby="done-title" hidden>
      <h2 id="done-title">You are the administrator</h2>
      <p id="done-notice"></p>
      <p>You now operate:</p>
      <ul id="accounts"></ul>
      <p>Log in, in each tenant by its name:</p>
      <pre tabindex="0" aria-label="Logging in with curl"><code id="done-login"></code></pre>
      <p>What to call then is in the <a href="/docs">API reference</a>.</p>
    </section>
  </div>
`
