import { CapabilityEntry } from '@agent-iam/contract/capabilities'
import { Problem } from '../../platform/problem.ts'
import { isLabel } from '../capabilities/model.ts'

/** Reads a scope (RFC 6749 §3.3) at our own API: capability entries with spaces between. */
export function parseScope(scope: string): string[] {
  const entries = [...new Set(scope.split(' ').filter((entry) => entry !== ''))]
  const wrong = entries.find((entry) => isLabel(entry) || !CapabilityEntry.safeParse(entry).success)
  if (entries.length > 0 && wrong === undefined) return entries
  const message = `${wrong ?? 'nothing'} is not of the form type[/idPrefix*]:action`
  throw new Problem('invalid-request', `scope: ${message}`, { errors: [{ field: 'scope', message }] })
}

/** The entries as a scope tells them. One that holds a space cannot be told, and is left out. */
export function formatScope(entries: readonly string[]): string {
  return entries.filter((entry) => !entry.includes(' ') && !isLabel(entry)).join(' ')
}
