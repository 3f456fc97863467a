// A program that judges one password after another, for as long as whoever started it stays connected.
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import * as common from '@zxcvbn-ts/language-common'
import * as english from '@zxcvbn-ts/language-en'
import { z } from 'zod'
import { readLeakedPasswords } from './leaked-passwords.ts'

const Asked = z.object({ password: z.string(), judged: z.string(), words: z.array(z.string()) })

const isLeaked = readLeakedPasswords()

const judge = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
  translations: english.translations,
})

process.on('message', (message: unknown) => {
  const { password, judged, words } = Asked.parse(message)
  const { score, feedback } = judge.check(judged, words)
  const advice = [...(feedback.warning === null ? [] : [feedback.warning]), ...feedback.suggestions]
  process.send?.({ score, advice, isLeaked: isLeaked(password) })
})
