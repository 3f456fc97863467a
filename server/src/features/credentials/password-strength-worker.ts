import { parentPort, workerData } from 'node:worker_threads'
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import * as common from '@zxcvbn-ts/language-common'
import * as english from '@zxcvbn-ts/language-en'
import { z } from 'zod'

/** A thread that judges one password and ends. */
const { password, words } = z.object({ password: z.string(), words: z.array(z.string()) }).parse(workerData)

const judge = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
  translations: english.translations,
})
const { score, feedback } = judge.check(password, words)
const advice = [...(feedback.warning === null ? [] : [feedback.warning]), ...feedback.suggestions]
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort?.postMessage({ score, advice })
