import type { ServerResponse } from 'node:http'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Page } from '../../pages/document.ts'

/** Answers the provider's request with a page of ours. */
export function showPage(koa: KoaContextWithOIDC, page: Page): void {
  koa.set('content-security-policy', page.contentSecurityPolicy)
  koa.set('cache-control', 'no-store')
  koa.type = 'html'
  koa.body = page.html
}

/** Answers a request that is not the provider's. */
export function sendPage(response: ServerResponse, status: number, page: Page): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': page.contentSecurityPolicy,
    'cache-control': 'no-store',
  })
  response.end(page.html)
}
