/**
 * Resources: what a tenant tells of the things that its agents ask for, so that policies can speak of more than their
 * names. What callers say of a resource never takes the place of what is registered.
 */
export { readResourceDefinitions, readResourceFacts } from './store/facts.ts'
