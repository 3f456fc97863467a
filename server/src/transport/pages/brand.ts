import { html, trusted } from './html.ts'

const mark =
  '<path d="M16 2 4 7v8c0 7.4 5 12.9 12 15 7-2.1 12-7.6 12-15V7z" fill="#0f766e"/>' +
  '<path d="m10.5 16 4 4 7.5-8.5" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>'
const logo = `<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">${mark}</svg>`

/** The logo with the name beside it. */
export const brand = html`${trusted(logo)}<span>Agent IAM</span>`

/** The logo as the address of a page's icon. */
export const icon = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${mark}</svg>`)}`
