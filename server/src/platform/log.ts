import { pino, stdTimeFunctions } from 'pino'

type Fields = Readonly<Record<string, unknown>>

/** The process's own log, one JSON object a line. Secrets never go in; should one, its field is redacted. */
export interface Log {
  debug(fields: Fields, message: string): void
  info(fields: Fields, message: string): void
  warn(fields: Fields, message: string): void
  error(fields: Fields, message: string): void
  child(fields: Fields): Log
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

const secretFields = [
  'authorization',
  'password',
  'token',
  'refreshToken',
  'accessToken',
  'privateKey',
  'secret',
  'masterKey',
]

/** A log on standard output, or wherever `write` sends the lines. */
export function createLog(level: LogLevel, write?: (line: string) => void): Log {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: (error: unknown) => tellError(error) },
    redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[secret]' },
  }
  return write ? pino(options, { write }) : pino(options)
}

/** Causes further down than this are a circle. */
const causesMax = 5

/** Only these properties of an error: libraries hang whatever they were doing on it, a password's command included. */
function tellError(error: unknown, depth = 0): unknown {
  if (typeof error !== 'object' || error === null) return typeof error === 'string' ? error : `thrown: ${typeof error}`
  const cause: unknown = Reflect.get(error, 'cause')
  return {
    ...describe(error),
    ...(cause !== undefined && depth < causesMax && { cause: tellError(cause, depth + 1) }),
  }
}

function describe(error: object): Record<string, unknown> {
  const name: unknown = Reflect.get(error, 'name')
  const said = ['message', 'stack', 'code'].map((each): [string, unknown] => [each, Reflect.get(error, each)])
  return {
    type: isPlain(name) ? name : 'thrown: object',
    ...Object.fromEntries(said.filter(([, value]) => isPlain(value))),
  }
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number'
}
