// The thread that parses large bodies. Whatever a body takes in time and memory, it takes it here.
import { parentPort } from 'node:worker_threads'
import { operations } from '@agent-iam/contract/operations'
import { findJsonFault } from '../../lib/json-faults.ts'
import { divideValue, PartTooLargeError } from '../../lib/value-parts.ts'
import { Problem } from '../../platform/problem.ts'
import { read } from '../../platform/route.ts'
import { yieldToMainThread } from '../../platform/thread-priority.ts'
import { largeBounds, partValuesMax } from './body-limits.ts'
import type { BodyAnswer, BodyTask } from './body-thread.ts'

const byId = new Map(operations.map((operation) => [operation.id, operation]))

function answer({ operationId, bytes, port }: BodyTask): BodyAnswer {
  const operation = byId.get(operationId)
  if (!operation) throw new Error(`there is no operation ${operationId}`)
  try {
    const value = read(operation.body, parse(bytes), 'body')
    const { frame, parts } = divideValue(value, partValuesMax)
    for (const part of [frame, ...parts]) port.postMessage(part)
    return { type: 'read', parts: parts.length }
  } catch (error) {
    return { type: 'refused', ...refusalOf(error) }
  }
}

function parse(bytes: Uint8Array): unknown {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  const fault = findJsonFault(value, largeBounds)
  if (fault !== undefined) throw new Problem('invalid-request', `the body ${fault}`)
  return value
}

function refusalOf(error: unknown): { detail: string; errors: Problem['errors'] } {
  if (error instanceof Problem) return { detail: error.detail, errors: error.errors }
  if (error instanceof PartTooLargeError) return { detail: error.message, errors: [] }
  if (error instanceof SyntaxError) return { detail: 'the body is not JSON', errors: [] }
  throw error
}

yieldToMainThread()
parentPort?.on('message', (task: BodyTask) => {
  parentPort?.postMessage(answer(task))
  task.port.close()
})
parentPort?.postMessage('ready')
