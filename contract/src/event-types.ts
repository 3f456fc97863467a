/** Every kind of event that the audit log knows, as noun.past-verb, with what it means. Add a row; never change one. */
export const eventTypes = {
  'log.opened': 'The log was made.',
  'setup.link-made': 'A setup link was made.',
  'setup.completed': 'The administrator set a password through the setup link.',
  'tenant.created': 'A tenant was made.',
  'agent.registered': 'An agent was registered.',
  'agent.activated': 'A pending agent proved its key and became active.',
  'agent.updated': 'An agent’s name, type, metadata or capabilities changed.',
  'agent.suspended': 'An agent was stopped.',
  'agent.reactivated': 'A suspended agent may act again.',
  'agent.revoked': 'An agent was revoked for good.',
  'agent.deleted': 'An agent was ended for good.',
  'agent.trust-set': 'An administrator set an agent’s trust score.',
  'enrolment-token.created': 'A token that registers agents was made.',
  'enrolment-token.revoked': 'A token that registers agents was ended.',
  'session.started': 'An identity logged in.',
  'session.refreshed': 'A session got new tokens.',
  'session.ended': 'A session ended, and all its tokens with it.',
  'session.reuse-detected': 'A refresh token was used twice, so its session was ended.',
  'policy.created': 'A policy came into force.',
  'policy.deleted': 'A policy was removed.',
  'decision.made': 'Somebody asked whether an action is allowed; the decision says.',
  'action.reported': 'The actor reported how an allowed action ended.',
  'policy-engine.faulted': 'A policy set broke the engine and was quarantined.',
  'request.refused': 'A request was refused; the reason is the code of the refusal.',
} as const

export type EventType = keyof typeof eventTypes
