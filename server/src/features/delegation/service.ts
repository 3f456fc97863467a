/**
 * Delegation (DESIGN D6): an identity makes a child agent with less authority than it has, or a token is traded for one in
 * which another acts (RFC 8693). Nobody hands on what they do not hold, and what is handed on is only ever the
 * intersection: every decision asks everyone from who acts to the root, as our own records name them.
 */
export { delegateAgent } from './children.ts'
export { exchangeToken, type Exchanged } from './exchange.ts'
export { showChain, showDescendants } from './lineage.ts'
export { moveAgent } from './move.ts'
export { readRoots } from './roots.ts'
