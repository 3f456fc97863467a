import * as types from '@agent-iam/contract/resource-types'
import type { TestServer } from './test-server.ts'

/** A value of each type that documents have an attribute of. */
export const everything = {
  size: 12,
  owners: ['Ada', 'Bo'],
  ratio: '0.25',
  until: '2030-01-01',
  every: '1h30m',
  net: '10.0.0.0/8',
  place: { city: 'Wien', floor: 3 },
}

/** Declares documents with attributes of every type, folders that have a title, and shelves. */
export async function declareDocuments(server: TestServer, token: string): Promise<void> {
  await server.api.call(types.createResourceType, {
    body: {
      name: 'doc',
      attributes: {
        size: { type: 'long' },
        owners: { type: 'set<string>' },
        ratio: { type: 'decimal' },
        until: { type: 'datetime' },
        every: { type: 'duration' },
        net: { type: 'ipaddr' },
        open: { type: 'boolean' },
        place: { type: 'record{city: string, floor?: long}' },
      },
    },
    token,
  })
  await server.api.call(types.createResourceType, {
    body: { name: 'folder', attributes: { title: { type: 'string', required: true } } },
    token,
  })
  await server.api.call(types.createResourceType, { body: { name: 'shelf' }, token })
}
