import { Decider, RecentFacts } from '../features/authorization/service.ts'
import { PolicyEngine, type EngineFault } from '../features/policies/service.ts'
import { DraftDecider, Shadow, Simulator } from '../features/simulation/service.ts'
import { defaultSettings } from '../platform/settings.ts'
import type { Pulse } from '../platform/pulse.ts'
import type { Telemetry } from '../platform/telemetry.ts'
import type { World } from './world.ts'

/** What tells operators, and what tells of changes. */
export interface Watch {
  readonly telemetry: Telemetry
  readonly pulse: Pulse
}

/** What asks how it would be otherwise: in an engine of its own, whose faults are of drafts and stop nothing. */
export function createWhatIf({ clock, log }: World, decider: Decider) {
  const onFault = ({ tenantId, cause }: EngineFault) =>
    log.warn({ tenantId, error: cause }, 'a draft faulted its engine')
  const drafts = new DraftDecider(() => new PolicyEngine({ clock, onFault }))
  const shadow = new Shadow(drafts)
  decider.watch((ctx, answered) => shadow.observe(ctx, answered))
  return { drafts, simulator: new Simulator(decider, drafts), shadow }
}

/** What decides, with what it tells operators. */
export function createDecider(
  { clock, log, settings = defaultSettings }: World,
  { telemetry, pulse }: Watch,
): { decider: Decider; engine: PolicyEngine } {
  const faults: EngineFault[] = []
  const onFault = (fault: EngineFault) => {
    telemetry.engineFaulted(fault.blame)
    log.error({ tenantId: fault.tenantId, blame: fault.blame, error: fault.cause }, 'the policy engine failed')
    // What one request brought about by itself concerns nobody else; it stands in its own decision.
    if (fault.blame !== 'request') faults.push(fault)
  }
  const engine = new PolicyEngine({ clock, onFault, verdictsKept: settings.verdictsKept })
  telemetry.verdictsWatched(() => engine.memoCounts)
  return { engine, decider: new Decider(engine, { recent: new RecentFacts(pulse, clock), faults }) }
}
