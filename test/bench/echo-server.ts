// The server framework with nothing behind it: what came in goes out, filled up to the size of a real answer.
// NOTE: `fastify` is found in the root's node_modules, so it is the very version that the server runs on.
import fastify from 'fastify'

const [port, answerBytes] = process.argv.slice(2).map(Number)
const server = fastify({ logger: false })

server.get('/ready', () => ({ ready: true }))
server.post('/api/v1/authz/check', (request, reply) => {
  const echo = JSON.stringify(request.body)
  const filler = 'x'.repeat(Math.max(0, (answerBytes ?? 0) - echo.length - '{"echo":,"filler":""}'.length))
  return reply.type('application/json; charset=utf-8').send(JSON.stringify({ echo: request.body, filler }))
})
await server.listen({ port: port ?? 0, host: '127.0.0.1' })
