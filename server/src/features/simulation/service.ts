/**
 * Simulation: what other policies would have decided, and what rights nobody used. It decides nothing that counts, spends
 * no quota and records no decision; what it says rests on the log and on the rights of today, and it says where those do
 * not suffice. Drafts are evaluated in an engine of their own.
 */
export { DraftDecider } from './draft-decider.ts'
export type { Replayed } from './replay.ts'
export { Shadow } from './shadow.ts'
export { getShadow, startShadow, stopShadow } from './shadows.ts'
export { Simulator } from './simulate.ts'
export type { StoredShadow } from './store/shadows.ts'
export { listUnused, type RightUse } from './unused.ts'
export { absorbAllUses } from './uses.ts'
