/** Narrows the reference to what is typed. Without it the page is whole, and the browser's own search works. */
export const docsSearch = `
const query = document.getElementById('query')
const found = document.getElementById('found')
const operations = [...document.querySelectorAll('[data-search]')]
const entries = new Map([...document.querySelectorAll('[data-for]')].map((entry) => [entry.dataset.for, entry]))
const groups = [...document.querySelectorAll('[data-group]')]

function show() {
  const words = query.value.toLowerCase().split(/\\s+/).filter(Boolean)
  let shown = 0
  for (const operation of operations) {
    const isHit = words.every((word) => operation.dataset.search.includes(word))
    operation.hidden = !isHit
    const entry = entries.get(operation.id)
    if (entry) entry.hidden = !isHit
    if (isHit) shown += 1
  }
  for (const group of groups) {
    const members = [...group.querySelectorAll('[data-search], [data-for]')]
    group.hidden = members.length > 0 && members.every((member) => member.hidden)
  }
  found.textContent = words.length === 0 ? '' : shown + (shown === 1 ? ' operation' : ' operations') + ' found.'
}

query.addEventListener('input', show)
document.getElementById('search').hidden = false
show()
`
