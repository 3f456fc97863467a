/** What the pages of the provider add to the style of all pages. */
export const formStyle = `
.form h1 { font-size: 1.6rem; }
.who { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1rem; margin: 1.2rem 0; padding: .9rem 1.1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); }
.who dt { color: var(--faint); } .who dd { margin: 0; overflow-wrap: anywhere; }
.who dd strong { font-weight: 650; }
.scopes { padding-left: 1.2rem; margin: .6rem 0 1.2rem; } .scopes li { margin: .35rem 0; overflow-wrap: anywhere; }
.buttons { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1.6rem; }
.buttons button { margin-top: 0; }
button.plain { background: none; color: var(--ink); border: 1px solid var(--faint); }
.code { font: 700 1.6rem/1.3 ui-monospace, Menlo, Consolas, monospace; letter-spacing: .08em; margin: .4rem 0 1rem; }
`
