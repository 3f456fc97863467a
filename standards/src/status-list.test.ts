import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBase64url, toBase64url } from './base64url.ts'
import {
  decodeStatusList,
  encodeStatusList,
  MalformedStatusListError,
  packStatuses,
  readStatusListClaims,
  statusAt,
  statusReferenceOf,
  type StatusBits,
} from './status-list.ts'

const bytesMax = 1_000_000

test('the example of one bit is that of the draft', async () => {
  const list = await decodeStatusList({ bits: 1, lst: 'eNrbuRgAAhcBXQ' }, { bytesMax })
  expect(list).toEqual({ bits: 1, bytes: Uint8Array.of(0xb9, 0xa3) })
  const statuses = Array.from({ length: 16 }, (_, idx) => statusAt(list, idx))
  expect(statuses).toEqual([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1])
})

test('the example of two bits is that of the draft', async () => {
  const list = await decodeStatusList({ bits: 2, lst: 'eNo76fITAAPfAgc' }, { bytesMax })
  expect(list).toEqual({ bits: 2, bytes: Uint8Array.of(0xc9, 0x44, 0xf9) })
  const statuses = Array.from({ length: 12 }, (_, idx) => statusAt(list, idx))
  expect(statuses).toEqual([1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3])
})

/** The draft's lists of 2^20 entries: by how many bits, compressed, and what is set in them. */
const large = [
  [
    1,
    [
      'eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAA',
      'AJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb',
    ].join(''),
    {
      0: 1,
      1993: 1,
      25460: 1,
      159495: 1,
      495669: 1,
      554353: 1,
      645645: 1,
      723232: 1,
      854545: 1,
      934534: 1,
      1000345: 1,
    },
  ],
  [
    2,
    [
      'eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5',
      'WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIA',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoA',
      'AAAAAAAAAAAAAEBqH81gAQw',
    ].join(''),
    {
      0: 1,
      1993: 2,
      25460: 1,
      159495: 3,
      495669: 1,
      554353: 1,
      645645: 2,
      723232: 1,
      854545: 1,
      934534: 2,
      1000345: 3,
    },
  ],
] as const

test.each(large)('the list of a million with %i bits is that of the draft', async (bits, lst, statuses) => {
  const set = Object.entries(statuses).map(([idx, status]) => [Number(idx), status] as const)
  const packed = packStatuses(bits, 2 ** 20, set)
  expect(await decodeStatusList({ bits, lst }, { bytesMax })).toEqual(packed)
  for (const [idx, status] of set) expect(statusAt(packed, idx)).toBe(status)
})

test('what is packed and compressed is read again, in every size', async () => {
  const entries = fc.dictionary(fc.nat(99).map(String), fc.nat(255))
  await fc.assert(
    fc.asyncProperty(fc.constantFrom<StatusBits[]>(1, 2, 4, 8), entries, async (bits, statuses) => {
      const set = Object.entries(statuses).map(([idx, status]) => [Number(idx), status % 2 ** bits] as const)
      const read = await decodeStatusList(await encodeStatusList(packStatuses(bits, 100, set)), { bytesMax })
      for (let idx = 0; idx < 100; idx++) expect(statusAt(read, idx)).toBe(set.find(([each]) => each === idx)?.[1] ?? 0)
    }),
    { numRuns: 50 },
  )
})

test('a later status of an entry replaces the one before', () => {
  const list = packStatuses(2, 4, [
    [1, 3],
    [1, 1],
  ])
  expect(list.bytes).toEqual(Uint8Array.of(0b0100))
})

test('an entry beyond the list is refused, on both sides', () => {
  expect(() => packStatuses(1, 8, [[8, 1]])).toThrow(MalformedStatusListError)
  expect(() => packStatuses(1, 8, [[0, 2]])).toThrow(MalformedStatusListError)
  const list = packStatuses(1, 8, [])
  expect(statusAt(list, 7)).toBe(0)
  for (const idx of [8, -1, 0.5, Number.NaN]) expect(() => statusAt(list, idx)).toThrow(MalformedStatusListError)
})

test('a few bytes that would become many are refused before they do', async () => {
  const bomb = { bits: 1, lst: toBase64url(deflateSync(Buffer.alloc(64 * 1024 * 1024))) }
  expect(bomb.lst.length).toBeLessThan(100_000)
  const before = process.memoryUsage().arrayBuffers
  await expect(decodeStatusList(bomb, { bytesMax })).rejects.toThrow('more than 1000000 bytes')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
})

test('what is no list is refused by one name', async () => {
  const good = await encodeStatusList(packStatuses(1, 800, [[5, 1]]))
  const compressed = fromBase64url(good.lst)
  const cut = toBase64url(compressed.subarray(0, -3))
  const longer = toBase64url(Uint8Array.of(...compressed, 1, 2, 3))
  const bad = [undefined, null, 'x', {}, { ...good, bits: 3 }, { ...good, bits: '1' }, { bits: 1 }, { lst: good.lst }]
  const texts = ['', '====', 'AAAA', cut, longer].map((lst) => ({ bits: 1, lst }))
  for (const value of [...bad, ...texts])
    await expect(decodeStatusList(value, { bytesMax }), JSON.stringify(value)).rejects.toThrow(MalformedStatusListError)
})

test('random text is a list or a MalformedStatusListError, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      const outcome = await decodeStatusList({ bits: 1, lst: toBase64url(bytes) }, { bytesMax }).catch((error) => error)
      expect('bytes' in outcome || outcome instanceof MalformedStatusListError).toBe(true)
    }),
  )
})

test('a token’s reference is read where there is one, and refused where it is malformed', () => {
  const at = (reference: unknown) => statusReferenceOf({ status: { status_list: reference } })
  expect(at({ uri: 'https://a.example/1', idx: 0 })).toEqual({ uri: 'https://a.example/1', idx: 0 })
  for (const none of [{}, { status: {} }, { status: 'x' }, undefined]) expect(statusReferenceOf(none)).toBeUndefined()
  for (const bad of [null, {}, { uri: 'a' }, { idx: 1 }, { uri: '', idx: 1 }, { uri: 'a', idx: -1 }])
    expect(() => at(bad)).toThrow(MalformedStatusListError)
})

test('the claims of a list are read, and refused where one is missing', () => {
  const claims = { sub: 'https://a.example/1', iat: 1, status_list: {}, ttl: 60, exp: 2 }
  expect(readStatusListClaims(claims)).toEqual({ sub: claims.sub, iat: 1, exp: 2, ttl: 60, statusList: {} })
  for (const bad of [
    { ...claims, sub: 1 },
    { ...claims, iat: 'x' },
    { ...claims, ttl: 0 },
    { ...claims, exp: 'x' },
    {},
  ])
    expect(() => readStatusListClaims(bad)).toThrow(MalformedStatusListError)
})
