/** The one style sheet of the pages: small, light and dark, readable on a telephone. */
export const style = `
:root { color-scheme: light dark; --ground: #fbfbf9; --panel: #ffffff; --ink: #1c2321; --faint: #56615d; --line: #dcdfd9;
  --accent: #0f766e; --accent-ink: #ffffff; --code: #f0f2ee; --bad: #b42318; --good: #0b6b3a; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #121615; --panel: #1a201e; --ink: #e8ece9; --faint: #a3afaa; --line: #323b38;
    --accent: #4fd1c1; --accent-ink: #06201d; --code: #222a27; --bad: #ff9b8f; --good: #6fdc9f; --warn: #f0c060; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance; }
h1 { font-size: clamp(1.7rem, 5vw, 2.4rem); margin: 0 0 .5rem; letter-spacing: -.02em; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; }
h4 { margin: 1.25rem 0 .4rem; font-size: .95rem; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em; }
code { background: var(--code); padding: .1em .35em; border-radius: 4px; overflow-wrap: anywhere; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: .85rem 1rem; margin: .5rem 0 1rem; overflow-x: auto; line-height: 1.5; }
pre code { background: none; padding: 0; overflow-wrap: normal; font-size: 1em; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; background: var(--panel); padding: .5rem 1rem; z-index: 2; }
.top { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: center; padding: .8rem clamp(1rem, 4vw, 2.5rem); border-bottom: 1px solid var(--line); background: var(--panel); }
.top nav { display: flex; flex-wrap: wrap; gap: .25rem 1.4rem; }
.top nav a { color: var(--ink); text-decoration: none; padding: .3rem 0; border-bottom: 2px solid transparent; }
.top nav a:hover, .top nav a[aria-current] { border-bottom-color: var(--accent); }
.brand { display: inline-flex; gap: .55rem; align-items: center; color: var(--ink); font-weight: 650; text-decoration: none; font-size: 1.08rem; }
main { max-width: 60rem; margin: 0 auto; padding: 2.25rem clamp(1rem, 4vw, 2.5rem) 5rem; }
main:has(.reference) { max-width: 84rem; }
.lead { font-size: 1.12rem; color: var(--faint); max-width: 44rem; margin: 0 0 1.75rem; }
.faint { color: var(--faint); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .9rem; padding: 0; list-style: none; margin: 0; }
.cards a { display: block; height: 100%; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.1rem; color: var(--ink); text-decoration: none; }
.cards a:hover { border-color: var(--accent); }
.cards strong { display: block; color: var(--accent); }
.cards span { color: var(--faint); font-size: .93rem; }
.steps { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .9rem; padding: 0; list-style: none; counter-reset: step; }
.steps li { counter-increment: step; border-left: 3px solid var(--accent); padding: .1rem 0 .1rem .9rem; }
.steps li::before { content: counter(step); color: var(--accent); font-weight: 700; font-size: .85rem; }
.steps strong { display: block; }
.reference { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 2.5rem; }
.index { position: sticky; top: 1rem; align-self: start; max-height: calc(100vh - 2rem); overflow-y: auto; font-size: .9rem; padding-right: .5rem; }
.index h2 { font-size: .78rem; text-transform: uppercase; letter-spacing: .07em; color: var(--faint); margin: 1.1rem 0 .3rem; }
.index ul { list-style: none; margin: 0; padding: 0; }
.index li a { display: block; padding: .16rem .4rem; color: var(--ink); text-decoration: none; border-radius: 4px; }
.index li a:hover { background: var(--code); }
.operation { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.3rem; margin: 0 0 1.2rem; }
.operation h3 { margin: 0 0 .35rem; font-size: 1.02rem; display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: center; }
.operation h3 a { color: inherit; text-decoration: none; }
.operation h3 a:hover { text-decoration: underline; }
.operation h3 code { background: none; padding: 0; font-size: .98rem; }
.operation p { margin: .25rem 0 .5rem; }
.method { display: inline-block; min-width: 4.2rem; text-align: center; font: 700 .76rem/1.7 ui-monospace, Menlo, Consolas, monospace; border: 1.5px solid currentColor; border-radius: 5px; padding: 0 .4rem; color: var(--faint); }
.GET { color: var(--accent); } .POST { color: var(--good); } .PUT, .PATCH { color: var(--warn); } .DELETE { color: var(--bad); }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .38rem .9rem .38rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--faint); font-weight: 500; font-size: .83rem; padding-top: 0; }
tbody th { font-weight: 400; white-space: nowrap; }
summary { cursor: pointer; padding: .3rem 0; font-weight: 600; font-size: .95rem; }
label { display: block; font-weight: 600; margin: 1.1rem 0 .3rem; }
input { width: 100%; font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--faint); border-radius: 7px; padding: .6rem .75rem; }
input[aria-invalid=true] { border: 2px solid var(--bad); }
.hint { color: var(--faint); font-size: .9rem; margin: .3rem 0 0; }
.fault { color: var(--bad); font-size: .92rem; font-weight: 600; margin: .3rem 0 0; }
.fault:empty { display: none; }
button { font: inherit; font-weight: 650; color: var(--accent-ink); background: var(--accent); border: 0; border-radius: 7px; padding: .7rem 1.4rem; margin-top: 1.6rem; cursor: pointer; }
button:disabled { opacity: .6; cursor: progress; }
.form { max-width: 30rem; }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--accent); background: var(--panel); border-radius: 8px; padding: .8rem 1.1rem; margin: 1.2rem 0; }
.notice.bad { border-left-color: var(--bad); } .notice.good { border-left-color: var(--good); }
.notice p { margin: .3rem 0; } .notice h2 { margin: .3rem 0 .6rem; } .notice pre { white-space: pre-wrap; overflow-wrap: anywhere; }
[hidden] { display: none !important; }
@media (max-width: 56rem) { .reference { grid-template-columns: minmax(0, 1fr); gap: 1rem; } .index { position: static; max-height: none; } .index nav { display: none; } .operation { padding: 1rem; } }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
`
