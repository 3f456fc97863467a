import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Buckets in seconds, from a tenth of a millisecond: most answers take a few. */
const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Buckets in seconds for what ends late: at most five, with another instance's death in between. */
const latenessBuckets = [0.5, 1, 2, 3, 4, 5, 10, 30, 60, 300, 3600]

/** What Prometheus may ask about the process. */
export class Telemetry {
  readonly #registry = new Registry()
  readonly #requests = new Histogram({
    name: 'agent_iam_request_seconds',
    help: 'Requests by operation and status.',
    labelNames: ['operation', 'status'],
    buckets: secondsBuckets,
    registers: [this.#registry],
  })
  readonly #decisions = new Counter({
    name: 'agent_iam_decisions_total',
    help: 'Decisions that were recorded and answered.',
    labelNames: ['decision'],
    registers: [this.#registry],
  })
  readonly #lostRefusals = new Counter({
    name: 'agent_iam_refusal_events_lost_total',
    help: 'Refusals that could not be recorded, because the database did not answer.',
    registers: [this.#registry],
  })
  readonly #engineFaults = new Counter({
    name: 'agent_iam_policy_engine_faults_total',
    help: 'Times the policy engine failed, by what was to blame.',
    labelNames: ['blame'],
    registers: [this.#registry],
  })
  readonly #rateLimited = new Counter({
    name: 'agent_iam_rate_limited_total',
    help: 'Requests that were one too many, by what the limit is on.',
    labelNames: ['dimension'],
    registers: [this.#registry],
  })
  readonly #ended = new Histogram({
    name: 'agent_iam_expiry_lateness_seconds',
    help: 'How late what had run out was ended, by its kind.',
    labelNames: ['kind'],
    buckets: latenessBuckets,
    registers: [this.#registry],
  })
  readonly #expiryFailures = new Counter({
    name: 'agent_iam_expiry_failures_total',
    help: 'Rounds of the job that ends what has run out in which something failed.',
    registers: [this.#registry],
  })

  /** `auditLag` tells how many events wait to become durable, `isShared` whether the shared state is well. */
  constructor(auditLag: () => number, isShared: () => Promise<boolean>) {
    collectDefaultMetrics({ register: this.#registry })
    this.#ask('agent_iam_audit_lag_events', 'Events that wait to become durable.', auditLag)
    this.#ask(
      'agent_iam_shared_state_up',
      '1 while the shared state is well; 0 while it is lost, or may forget.',
      async () => Number(await isShared()),
    )
  }

  /** A job that one instance does at a time: whether it is this one. */
  leaseWatched(name: string, isHeld: () => boolean): void {
    this.#ask(`agent_iam_${name}_lease_held`, `1 while this instance does the work of "${name}".`, () =>
      Number(isHeld()),
    )
  }

  /** How many instances share the limits while the shared state is lost. */
  instancesWatched(instances: () => number): void {
    this.#ask('agent_iam_instances', 'Instances that live, this one included.', instances)
  }

  /** How often a policy verdict was given again, and how often it had to be found. */
  verdictsWatched(counts: () => { readonly hits: number; readonly misses: number }): void {
    this.#ask(
      'agent_iam_verdicts_given_again',
      'Verdicts of policies that were known, since the start.',
      () => counts().hits,
    )
    this.#ask(
      'agent_iam_verdicts_found',
      'Verdicts of policies that were evaluated, since the start.',
      () => counts().misses,
    )
  }

  /** A gauge that is asked for at each scrape. */
  #ask(name: string, help: string, value: () => number | Promise<number>): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [],
      async collect() {
        gauge.set(await value())
      },
    })
    this.#registry.registerMetric(gauge)
  }

  requestAnswered(operation: string, status: number, seconds: number): void {
    this.#requests.observe({ operation, status }, seconds)
  }

  decisionAnswered(decision: 'allow' | 'deny'): void {
    this.#decisions.inc({ decision })
  }

  refusalLost(): void {
    this.#lostRefusals.inc()
  }

  rateLimited(dimension: string): void {
    this.#rateLimited.inc({ dimension })
  }

  engineFaulted(blame: string): void {
    this.#engineFaults.inc({ blame })
  }

  ended(kind: string, lateSeconds: number): void {
    this.#ended.observe({ kind }, lateSeconds)
  }

  expiryFailed(): void {
    this.#expiryFailures.inc()
  }

  /** In the text format of Prometheus. */
  exposition(): Promise<string> {
    return this.#registry.metrics()
  }
}
