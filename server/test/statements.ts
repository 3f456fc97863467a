import pg from 'pg'

/** A statement as it went over a connection. */
export interface Statement {
  readonly client: unknown
  readonly text: string
}

/** Sees every statement of this process, with the connection that it goes over. */
export function watchStatements(): { stop: () => Statement[] } {
  const statements: Statement[] = []
  const original: unknown = Reflect.get(pg.Client.prototype, 'query')
  if (typeof original !== 'function') throw new Error('the driver has no query')
  const watching = function (this: pg.Client, ...sent: unknown[]): unknown {
    const [first] = sent
    const text = typeof first === 'string' ? first : String(Reflect.get(Object(first), 'text'))
    statements.push({ client: this, text: text.trim() })
    return Reflect.apply(original, this, sent)
  }
  Reflect.set(pg.Client.prototype, 'query', watching)
  return {
    stop() {
      Reflect.set(pg.Client.prototype, 'query', original)
      return statements
    },
  }
}
