import type { Page } from './document.ts'
import { html } from './html.ts'
import { layout } from './layout.ts'

/** What this is and where to go, until there is a console. */
export function homePage(publicUrl: string): Page {
  return layout({
    title: 'Agent IAM',
    path: '/',
    main: html`
      <h1>Agent IAM is running</h1>
      <p class="lead">
        Every AI agent gets a cryptographic identity, asks before it acts, and leaves a record that anyone who may read
        it can verify.
      </p>
      <ol class="steps">
        <li><strong>Register</strong>a name and an Ed25519 public key become an identity.</li>
        <li><strong>Authenticate</strong>the agent signs a challenge and gets an access token.</li>
        <li><strong>Decide</strong>may it read <code>database/customers</code>? Allow or deny, with reasons.</li>
        <li><strong>Record</strong>the decision is in the audit log before it is answered.</li>
      </ol>
      <h2>Where to go</h2>
      <ul class="cards">
        <li>
          <a href="/docs"
            ><strong>API reference</strong><span>Every operation, its fields, an example, its refusals.</span></a
          >
        </li>
        <li>
          <a href="/openapi.json"><strong>OpenAPI 3.1</strong><span>The same for programs.</span></a>
        </li>
        <li>
          <a href="/health/ready"><strong>Health</strong><span>Database, shared state, keys and log.</span></a>
        </li>
      </ul>
      <h2>Your first agent</h2>
      <p>On this machine, the SDK finds this server and a token that may register agents by itself:</p>
      <pre tabindex="0" aria-label="Example in TypeScript"><code>${sdkExample}</code></pre>
      <h2>Log in as a person</h2>
      <p>The first start shows a setup link; whoever opens it sets the administrator’s password. Then:</p>
      <pre tabindex="0" aria-label="Example with curl"><code>${loginExample(publicUrl)}</code></pre>
      <p class="faint">The answer’s <code>accessToken</code> goes into <code>Authorization: Bearer …</code>.</p>
    `,
  })
}

const sdkExample = `import { secure } from '@agent-iam/sdk'

const agent = await secure('my-agent', { capabilities: ['file/docs/*:read'] })
const decision = await agent.check('read', 'file/docs/guide.md')
console.log(decision.decision, decision.reason)`

function loginExample(publicUrl: string): string {
  return `curl ${publicUrl}/api/v1/auth/login \\
  -H 'Content-Type: application/json' \\
  -d '{"email":"you@example.com","password":"…","tenant":"default"}'`
}
