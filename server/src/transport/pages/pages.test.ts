import { createHash } from 'node:crypto'
import { operations } from '@agent-iam/contract/operations'
import { problems } from '@agent-iam/contract/problems'
import { describe, expect, test } from 'vitest'
import { contentSecurityPolicyOf } from './content-security-policy.ts'
import { docsPage } from './docs.ts'
import { homePage } from './home.ts'
import { escapeHtml, html } from './html.ts'
import { acceptInvitationPage, confirmRegistrationPage, resetPasswordPage } from './mailed-links.ts'
import { setupPage } from './setup.ts'

const hostileUrl = 'http://localhost:9000/"><script>alert(1)</script>'
const pages = [
  ['home', homePage(hostileUrl)],
  ['docs', docsPage(hostileUrl)],
  ['setup', setupPage()],
  ['resetPassword', resetPasswordPage()],
  ['confirmRegistration', confirmRegistrationPage()],
  ['acceptInvitation', acceptInvitationPage()],
] as const

describe.each(pages)('the %s page', (name, page) => {
  test('runs nothing that its policy does not name by hash', () => {
    const inline = [...page.html.matchAll(/<(?:script|style)>(.*?)<\/(?:script|style)>/gs)].map(([, text = '']) => text)
    expect(inline.length).toBeGreaterThan(0)
    for (const text of inline)
      expect(page.contentSecurityPolicy).toContain(`'sha256-${createHash('sha256').update(text).digest('base64')}'`)
  })

  test('has the policy that is sent with its operation', () => {
    expect(contentSecurityPolicyOf(`${name}Page`)).toBe(page.contentSecurityPolicy)
  })

  test('loads nothing from elsewhere and carries no inline handler or style attribute', () => {
    expect(page.html).not.toMatch(/<(?:script|img|iframe|source)[^>]*\ssrc=|@import|\son\w+="|\sstyle="/)
    expect(page.contentSecurityPolicy).toContain(`default-src 'none'`)
  })

  test('has one first heading, a main landmark, and no id twice', () => {
    const ids = [...page.html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
    expect(page.html.match(/<h1/g)).toHaveLength(1)
    expect(page.html.match(/<main /g)).toHaveLength(1)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('links only to anchors that exist', () => {
    const ids = new Set([...page.html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
    const targets = [...page.html.matchAll(/href="#([^"]+)"/g)].map(([, target]) => target)
    expect(targets.filter((target) => !ids.has(target))).toEqual([])
  })

  test('escapes what it is given', () => {
    expect(page.html).not.toContain('<script>alert')
  })
})

test('the reference shows every operation with its path and every code of a refusal', () => {
  const { html: reference } = docsPage('http://localhost:9000')
  for (const { id, path } of operations) {
    expect(reference).toContain(`id="${id}"`)
    expect(reference).toContain(`<code>${path}</code>`)
  }
  for (const code of ['not-found', 'token-revoked', 'invalid-credentials'] as const)
    expect(reference).toContain(problems[code].advice)
})

test('a quote in an example does not end the shell’s quotes', () => {
  expect(docsPage('http://localhost:9000/it’s').html).toContain('curl &#39;http://localhost:9000/it’s/')
})

test('escapeHtml leaves no character that could end a text or an attribute', () => {
  expect(escapeHtml(`<a href="x" title='y'>&`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;')
})

test('a template escapes text and keeps what is HTML', () => {
  expect(html`<p>${'<b>'}${html`<i>${1}</i>`}${undefined}</p>`.markup).toBe('<p>&lt;b&gt;<i>1</i></p>')
})
