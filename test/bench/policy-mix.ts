// Sets of policies of any size that decide the same questions: of each, every answer is known.
import { isGranted, type Question, type Workload } from './workload.ts'

/** What one policy names in its scope, and what it says. */
export type Rule =
  /** Nobody writes in the area without a ticket. */
  | { readonly scope: 'nothing'; readonly area: string }
  /** A step of work is allowed in the area with a ticket. */
  | { readonly scope: 'action'; readonly action: string; readonly area: string }
  /** Of one resource: allowed with a ticket, or forbidden without. */
  | { readonly scope: 'resource'; readonly question: number; readonly effect: 'permit' | 'forbid' }
  /** One agent may do nothing with one resource. */
  | { readonly scope: 'principal'; readonly question: number }

/** Of the policies that have a scope, in tenths; the rest name a principal. */
const tenths = { action: 3, resource: 6 }
/** Of so many questions one asks for a step of work, which no capability covers. */
const stepEvery = 20
/** As many as the largest set has policies of. */
const stepsMax = 300
/** Prime, so that what it steps over is met once each, popular and rare questions alike. */
const stride = 7919

/** The questions of the usual workload, one in twenty about a step of work, for servers without policies. */
export function mixedWorkload(workload: Workload): Workload {
  const questions = workload.questions.map((question, index) =>
    index % stepEvery === 0 ? { ...question, action: stepName(index / stepEvery) } : question,
  )
  return { ...workload, questions, guarded: [] }
}

/** The first rules of every set are the same, one for each area; each larger set holds all of the smaller. */
export function makeRules(count: number, { agents, questions }: Workload, areas: readonly string[]): Rule[] {
  if (agents.length === 0 || count < areas.length) throw new Error('too few to mix')
  const rules: Rule[] = areas.map((area) => ({ scope: 'nothing', area }))
  const places = { action: 0, question: 0 }
  const nextQuestion = () => (places.question++ * stride) % questions.length
  for (let number = 0; rules.length < count; number++) {
    const tenth = number % 10
    if (tenth < tenths.action) rules.push(actionRule(places.action++, areas))
    else if (tenth < tenths.action + tenths.resource)
      rules.push({ scope: 'resource', question: nextQuestion(), effect: tenth % 2 === 0 ? 'permit' : 'forbid' })
    else rules.push({ scope: 'principal', question: nextQuestion() })
  }
  return rules
}

/** The same questions with the answers that the rules give. */
export function answersUnder(rules: readonly Rule[], workload: Workload): Workload {
  const known = {
    steps: new Set(rules.flatMap((rule) => (rule.scope === 'action' ? [`${rule.action} ${rule.area}`] : []))),
    resources: new Map(rules.flatMap((rule) => (rule.scope === 'resource' ? [[rule.question, rule.effect]] : []))),
    principals: new Set(rules.flatMap((rule) => (rule.scope === 'principal' ? [rule.question] : []))),
  }
  const questions = workload.questions.map((question, index): Question => {
    const { agent, action, area, context } = question
    const hasTicket = context.ticket !== undefined
    const ofResource = known.resources.get(index)
    const isLent = hasTicket && (known.steps.has(`${action} ${area}`) || ofResource === 'permit')
    const needsTicket = action === 'write' || ofResource === 'forbid'
    const isForbidden = known.principals.has(index) || (needsTicket && !hasTicket)
    return { ...question, isAllowed: !isForbidden && (isLent || isGranted(workload.agents[agent] ?? [], question)) }
  })
  const allowedShare = questions.filter(({ isAllowed }) => isAllowed).length / questions.length
  return { ...workload, questions, allowedShare }
}

export function effectOf(rule: Rule): 'permit' | 'forbid' {
  if (rule.scope === 'resource') return rule.effect
  return rule.scope === 'action' ? 'permit' : 'forbid'
}

/** A rule as Cedar writes it. */
export function cedarOf(rule: Rule, { questions }: Workload, agentIds: readonly string[]): string {
  const ticket = 'context.request has ticket'
  switch (rule.scope) {
    case 'nothing':
      return `forbid(principal, action, resource)
        when { action == AgentIam::Action::"write" && resource.id like "${rule.area}/*" } unless { ${ticket} };`
    case 'action':
      return `permit(principal, action == AgentIam::Action::"${rule.action}", resource)
        when { resource.id like "${rule.area}/*" && ${ticket} };`
    case 'resource': {
      const named = `(principal, action, resource == AgentIam::Resource::"${resourceOf(questions[rule.question])}")`
      return rule.effect === 'permit' ? `permit${named} when { ${ticket} };` : `forbid${named} unless { ${ticket} };`
    }
    case 'principal': {
      const question = questions[rule.question]
      return `forbid(principal == AgentIam::Agent::"${agentIds[question?.agent ?? -1]}", action, resource)
        when { resource.id == "${question?.id}" };`
    }
  }
}

function actionRule(place: number, areas: readonly string[]): Rule {
  const area = areas[place % areas.length] ?? ''
  return { scope: 'action', action: stepName(Math.trunc(place / areas.length)), area }
}

function stepName(number: number): string {
  return `step-${number % stepsMax}`
}

function resourceOf(question: Question | undefined): string {
  if (!question) throw new Error('no such question')
  return `${question.type}/${question.id}`
}
