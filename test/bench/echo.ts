import { freePort } from '../../server/test/free-port.ts'
import type { Peer, Target } from './load.ts'
import { startProgram } from './program.ts'

/** A bare server of the same framework, asked with the very requests of `like` and answering in their size. */
export async function startEcho(like: Target, answerBytes: number): Promise<Peer> {
  const port = await freePort()
  const { stop } = await startProgram({
    command: process.execPath,
    args: ['echo-server.ts', `${port}`, `${answerBytes}`],
    cwd: import.meta.dirname,
    readyUrl: `http://127.0.0.1:${port}/ready`,
  })
  const check: Target['check'] = (question, { status, body }) => {
    if (status !== 200) throw new Error(`the echo of question ${question} is ${status} ${body.toString()}`)
  }
  return { target: { name: 'bare echo', port, requests: like.requests, check }, stop }
}
