import { pino, stdSerializers, stdTimeFunctions } from 'pino'

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
    serializers: { error: stdSerializers.err },
    redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[secret]' },
  }
  return write ? pino(options, { write }) : pino(options)
}
