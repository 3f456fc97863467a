import { toHex } from '@agent-iam/standards/hex'
import { chainNext, chainStart } from '@agent-iam/standards/hash-chain'
import { leafHash } from '@agent-iam/standards/merkle'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KeptHead, type LeafSource, type LeavesPage, verifyAuditLog } from './audit-verifier.ts'

type Leaf = LeavesPage['leaves'][number]
const log = `log_${'a'.repeat(32)}` as const

/** A log as a server would store it: hashes and chain made from the texts. */
function aLog(texts: readonly string[]): Leaf[] {
  let chain = chainStart
  return texts.map((text, sequence) => {
    const bytes = Buffer.from(text)
    const hash = leafHash(bytes)
    chain = chainNext(chain, hash)
    return { sequence, leaf: bytes.toString('base64'), leafHash: toHex(hash), chain: toHex(chain) }
  })
}

function headOf(leaves: readonly Leaf[]): KeptHead {
  return { log, size: leaves.length, chain: leaves.at(-1)?.chain ?? toHex(chainStart) }
}

function serve(leaves: readonly Leaf[], head: KeptHead = headOf(leaves), pageSize = 4): LeafSource {
  return (from) =>
    Promise.resolve({
      head: { ...head, log, epoch: 0 },
      leaves: leaves.filter(({ sequence }) => sequence >= from).slice(0, pageSize),
    })
}

const ten = Array.from({ length: 10 }, (_, at) => `{"entry":${at}}`)

describe('a sound log', () => {
  test('is verified to its head, over as many pages as it takes', async () => {
    const leaves = aLog(ten)
    const verdict = await verifyAuditLog(serve(leaves))
    expect(verdict).toEqual({ status: 'verified', head: headOf(leaves), entries: 10, continuesKept: false })
  })

  test('continues the head that was kept', async () => {
    const verdict = await verifyAuditLog(serve(aLog(ten)), { kept: headOf(aLog(ten.slice(0, 6))) })
    expect(verdict).toMatchObject({ status: 'verified', continuesKept: true })
  })

  test('may grow while it is read', async () => {
    const [before, after] = [serve(aLog(ten)), serve(aLog([...ten, 'more', 'and more']))]
    let page = 0
    const verdict = await verifyAuditLog((from) => (page++ === 0 ? before : after)(from))
    expect(verdict).toMatchObject({ status: 'verified', entries: 10 })
  })

  test('can be verified from any entry on', async () => {
    for (let from = 0; from <= 10; from++)
      expect(await verifyAuditLog(serve(aLog(ten)), { from })).toMatchObject({ status: 'verified', entries: 10 - from })
    await expect(verifyAuditLog(serve(aLog(ten)), { from: 11 })).rejects.toThrow('holds 10 entries')
  })

  test('is verified from where it was left, against the kept head', async () => {
    const kept = { ...headOf(aLog(ten.slice(0, 6))), chain: 'f'.repeat(64) }
    expect(await verifyAuditLog(serve(aLog(ten)), { from: 6, kept })).toMatchObject({
      fault: 'head-differs',
      sequence: 5,
    })
  })
})

describe('what was tampered with', () => {
  test('a flipped byte is found, and its entry named', async () => {
    const leaves = aLog(ten)
    const flipped = leaves.map((leaf) => (leaf.sequence === 5 ? { ...leaf, leaf: btoa('{"entry":6}') } : leaf))
    expect(await verifyAuditLog(serve(flipped))).toMatchObject({
      status: 'broken',
      fault: 'bytes-changed',
      sequence: 5,
    })
  })

  test('a flipped byte whose leaf hash was made anew is found', async () => {
    const forged = toHex(leafHash(Buffer.from('forged')))
    const leaves = aLog(ten).map((leaf) =>
      leaf.sequence === 5 ? { ...leaf, leaf: btoa('forged'), leafHash: forged } : leaf,
    )
    expect(await verifyAuditLog(serve(leaves))).toMatchObject({ fault: 'chain-broken', sequence: 5 })
  })

  test('a dropped row is found', async () => {
    const leaves = aLog(ten)
    const verdict = await verifyAuditLog(serve(leaves.toSpliced(4, 1), headOf(leaves)))
    expect(verdict).toMatchObject({ fault: 'entry-missing', sequence: 4 })
  })

  test('a dropped row is found when those after it are numbered anew', async () => {
    const leaves = aLog(ten)
    const closed = leaves.toSpliced(4, 1).map((leaf, sequence) => ({ ...leaf, sequence }))
    const verdict = await verifyAuditLog(serve(closed, { ...headOf(leaves), size: 9 }))
    expect(verdict).toMatchObject({ fault: 'chain-broken', sequence: 4 })
  })

  test('two rows swapped are found', async () => {
    const leaves = aLog(ten)
    const swapped = leaves
      .map((leaf) => ({ ...leaf, sequence: leaf.sequence === 3 ? 4 : leaf.sequence === 4 ? 3 : leaf.sequence }))
      .toSorted((a, b) => a.sequence - b.sequence)
    expect(await verifyAuditLog(serve(swapped, headOf(leaves)))).toMatchObject({ fault: 'chain-broken', sequence: 3 })
  })

  test('a cut tail is found by the head that is still there', async () => {
    const leaves = aLog(ten)
    const verdict = await verifyAuditLog(serve(leaves.slice(0, 7), headOf(leaves)))
    expect(verdict).toMatchObject({ fault: 'entry-missing', sequence: 7 })
  })

  test('a cut tail whose head was cut too is found by the kept head, and by nothing else', async () => {
    const cut = serve(aLog(ten.slice(0, 7)))
    expect(await verifyAuditLog(cut, { kept: headOf(aLog(ten)) })).toMatchObject({ fault: 'log-shorter', sequence: 7 })
    expect(await verifyAuditLog(cut)).toMatchObject({ status: 'verified' })
  })

  test('a log written anew as a whole is found by the kept head', async () => {
    const rewritten = aLog(['{"entry":"other"}', ...ten.slice(1)])
    const verdict = await verifyAuditLog(serve(rewritten), { kept: headOf(aLog(ten.slice(0, 6))) })
    expect(verdict).toMatchObject({ fault: 'head-differs', sequence: 5 })
  })

  test('a head that the entries do not add up to is found', async () => {
    const leaves = aLog(ten)
    const verdict = await verifyAuditLog(serve(leaves, { ...headOf(leaves), chain: '0'.repeat(64) }))
    expect(verdict).toMatchObject({ fault: 'head-differs' })
  })

  test('another log in its place is found', async () => {
    const kept: KeptHead = { ...headOf(aLog(ten)), log: `log_${'b'.repeat(32)}` }
    expect(await verifyAuditLog(serve(aLog(ten)), { kept })).toMatchObject({ fault: 'log-replaced' })
  })

  test('text that is no bytes is a changed entry, not a crash', async () => {
    const leaves = aLog(ten).map((leaf) => (leaf.sequence === 2 ? { ...leaf, leaf: 'AB==' } : leaf))
    expect(await verifyAuditLog(serve(leaves))).toMatchObject({ fault: 'bytes-changed', sequence: 2 })
  })

  test('a column that differs from its entry is found, on whichever page it is', async () => {
    const asked: number[] = []
    const readDifferences = (from: number) => {
      asked.push(from)
      const next = from < 6 ? from + 3 : null
      const differences = from === 6 ? [{ sequence: 7, column: 'actor' }] : []
      return Promise.resolve({ head: { ...headOf(aLog(ten)), log, epoch: 0 }, next, differences })
    }
    const verdict = await verifyAuditLog(serve(aLog(ten)), { readDifferences })
    expect(verdict).toMatchObject({ status: 'broken', fault: 'column-differs', sequence: 7, column: 'actor' })
    expect(asked).toEqual([0, 3, 6])
    const stuck = (from: number) => readDifferences(0).then((page) => ({ ...page, next: from }))
    await expect(verifyAuditLog(serve(aLog(ten)), { readDifferences: stuck })).rejects.toThrow('again and again')
  })

  test('any one changed byte of any entry is found at that entry', async () => {
    const leaves = aLog(ten)
    await fc.assert(
      fc.asyncProperty(fc.nat(9), fc.nat(10), fc.integer({ min: 1, max: 255 }), async (sequence, at, mask) => {
        const changed = leaves.map((leaf) => {
          if (leaf.sequence !== sequence) return leaf
          const bytes = Buffer.from(leaf.leaf, 'base64')
          bytes[at] = (bytes[at] ?? 0) ^ mask
          return { ...leaf, leaf: bytes.toString('base64') }
        })
        expect(await verifyAuditLog(serve(changed))).toMatchObject({ fault: 'bytes-changed', sequence })
      }),
    )
  })
})
