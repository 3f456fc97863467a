/** A browser without a screen: keeps cookies by path, follows redirects within the server, and fills in forms. */
export class TestBrowser {
  readonly #cookies = new Map<string, { value: string; path: string }>()
  readonly #origin: string
  /** Each comes from a network of its own, so that one’s failures are not another’s. */
  readonly #address = `10.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}.7`

  constructor(origin: string) {
    this.#origin = origin
  }

  /** Goes to an address, and on as long as it leads to the server itself. */
  async open(url: string | URL): Promise<TestPage> {
    return this.#go(new URL(url, this.#origin), { method: 'GET' })
  }

  /** Sends the one form of a page, with what its hidden fields hold and what is typed in. */
  async send(page: TestPage, fields: Record<string, string>): Promise<TestPage> {
    const action = /<form[^>]* action="([^"]*)"/.exec(page.html)?.[1]
    const hidden = [...page.html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [
      /name="([^"]*)"/.exec(input)?.[1] ?? '',
      unescape(/value="([^"]*)"/.exec(input)?.[1] ?? ''),
    ])
    const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...fields })
    return this.#go(new URL(unescape(action ?? page.url.href), page.url), { method: 'POST', body })
  }

  async #go(url: URL, init: { method: 'GET' | 'POST'; body?: URLSearchParams }): Promise<TestPage> {
    const headers = { cookie: this.#cookiesFor(url), 'x-forwarded-for': this.#address }
    const response = await fetch(url, { ...init, redirect: 'manual', headers })
    this.#keep(response)
    const location = response.headers.get('location')
    if (location === null)
      return { url, status: response.status, html: await response.text(), headers: response.headers }
    const next = new URL(location, url)
    if (next.origin !== this.#origin) return { url: next, status: response.status, html: '', headers: response.headers }
    return this.#go(next, { method: 'GET' })
  }

  #cookiesFor({ pathname }: URL): string {
    const sent = [...this.#cookies].filter(([, { path }]) => pathname === path || pathname.startsWith(path))
    return sent.map(([key, { value }]) => `${key.split(' ')[0] ?? ''}=${value}`).join('; ')
  }

  #keep(response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = cookie.split(/; ?/)
      const [name = '', value = ''] = pair.split(/=(.*)/s)
      const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/'
      const isGone = value === '' || attributes.some((each) => /^expires=Thu, 01 Jan 1970/i.test(each))
      if (isGone) this.#cookies.delete(`${name} ${path}`)
      else this.#cookies.set(`${name} ${path}`, { value, path })
    }
  }
}

export interface TestPage {
  /** Where it came to; an address of a client where it led away. */
  readonly url: URL
  readonly status: number
  readonly html: string
  readonly headers: Headers
}

function unescape(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"')
}
